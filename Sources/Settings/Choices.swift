/// A stage of `rdo run`. Each pass declares its own name; `Configuration.passes` lists them all.
package struct PassName: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    package var description: String { rawValue }
}

/// How long gathered parameters are kept (docs/parallelism.md).
package enum GatherMode: String, SettingChoice { case step, block }

/// What the backward pass computes again instead of keeping it.
package enum Recomputation: String, SettingChoice { case none, block }

/// Number type of weights that do not change.
package enum FrozenWeights: String, SettingChoice { case f32, bf16 }

package enum ScheduleKind: String, SettingChoice { case constant, linear, cosine }

/// A form in which training passes write their figures.
package enum MetricsForm: String, SettingChoice { case jsonl, tensorboard }

/// Number type of exported weights.
package enum ExportType: String, SettingChoice { case f32, bf16 }

/// What a pass that trains adapters leaves.
package enum AdapterExport: String, SettingChoice {
    /// A model directory with the adapters in its weights, and the adapter directory.
    case merged
    /// The adapter directory alone.
    case adapter
}

/// What the rows' own `weight` or margin is used for.
package enum WeightColumn: String, SettingChoice {
    case ignore
    /// It multiplies the weight from the coefficient files.
    case multiply
    /// It is the weight, and no coefficient file is read.
    case only
    /// R is the row's margin, and no coefficient file is read.
    case margin
}
