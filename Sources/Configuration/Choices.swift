/// The stages of `rdo run`.
package enum PassName: String, Sendable, CaseIterable { case sft, reward, difference, score, reference, dpo, rrhf, kto }

/// How long gathered parameters are kept (docs/parallelism.md).
package enum GatherMode: String, Sendable, CaseIterable { case step, block }

/// What the backward pass computes again instead of keeping it.
package enum Recomputation: String, Sendable, CaseIterable { case none, block }

/// Number type of weights that do not change.
package enum FrozenWeights: String, Sendable, CaseIterable { case f32, bf16 }

package enum ScheduleKind: String, Sendable, CaseIterable { case constant, linear, cosine }

/// What predicts the reward differences.
package enum ScorerKind: String, Sendable, CaseIterable { case difference, reward }

/// Which part of the data the scoring pass reads.
package enum ScoredData: String, Sendable, CaseIterable { case train, test, both }

/// Which responses supervised fine-tuning learns.
package enum SupervisedResponses: String, Sendable, CaseIterable { case chosen, all }

/// Number type of exported weights.
package enum ExportType: String, Sendable, CaseIterable { case f32, bf16 }

/// What a pass that trains adapters leaves.
package enum AdapterExport: String, Sendable, CaseIterable {
    /// A model directory with the adapters in its weights, and the adapter directory.
    case merged
    /// The adapter directory alone.
    case adapter
}

/// What says which response of a list is better.
package enum RankingSource: String, Sendable, CaseIterable { case scores, difference }

/// What the rows' own `weight` is used for.
package enum WeightColumn: String, Sendable, CaseIterable {
    case ignore
    /// It multiplies the weight from the coefficient files.
    case multiply
    /// It is the weight, and no coefficient file is read.
    case only
}
