import Foundation
import Settings

/// What a training run is made of, beside the model and the task.
package struct TrainingRun {
    package var settings: TrainingSettings
    /// The scalar head's own peak learning rate; nil uses the body's.
    package var headLearningRate: Double?
    package var seed: UInt64
    package var shuffle: Bool
    /// Holds `checkpoints/`, `metrics.jsonl`, `ledger.h5` and `tensorboard/`.
    package var directory: String
    package var tracePath: String?
    /// Notes what every step does with every pair.
    package var keepsLedger: Bool
    /// Writes its figures for TensorBoard too.
    package var writesEvents: Bool
    package var identity: RunIdentity
    /// Of what the held-out losses are computed on; nil without held-out data.
    package var evaluationDigest: String?
    package var configurationText: String
    /// config.json of the model, kept in every checkpoint so that it can be exported alone.
    package var modelConfiguration: Data
    /// adapter_config.json where adapters are trained, kept too.
    package var adapterConfiguration: Data?
    /// Directory or file that the tokenizer came from.
    package var tokenizerSource: String

    package init(
        settings: TrainingSettings, headLearningRate: Double?, seed: UInt64, shuffle: Bool, directory: String,
        tracePath: String?, keepsLedger: Bool, writesEvents: Bool, identity: RunIdentity, evaluationDigest: String?,
        configurationText: String, modelConfiguration: Data, adapterConfiguration: Data?, tokenizerSource: String
    ) {
        (self.settings, self.headLearningRate, self.seed, self.shuffle) = (settings, headLearningRate, seed, shuffle)
        (self.directory, self.tracePath) = (directory, tracePath)
        (self.keepsLedger, self.writesEvents) = (keepsLedger, writesEvents)
        (self.identity, self.evaluationDigest) = (identity, evaluationDigest)
        self.configurationText = configurationText
        (self.modelConfiguration, self.adapterConfiguration) = (modelConfiguration, adapterConfiguration)
        self.tokenizerSource = tokenizerSource
    }
}

/// What a run depends on: one that continues from a checkpoint must have the same.
package struct RunIdentity: Sendable {
    /// What some methods read beside the data; digests of the values.
    package enum Input: String, Sendable { case reference, coefficients, labels, differences, head }

    let pass: PassName
    /// As a checkpoint keeps it: attributes of `/state/extra`.
    package let attributes: [String: String]

    /// - Parameters:
    ///   - model: digest of the start model's directory; `data` of the data's ids, `tokenizer` of the tokenizer.
    ///   - adapter: digest of the adapters that training starts from; nil when they start at zero.
    ///   - inputs: digests; nil for an input that the method could read and does not.
    ///   - settings: values of the keys that change what a step computes.
    package init(
        pass: PassName, model: String, data: String, tokenizer: String, template: String, trainsAdapters: Bool,
        adapter: String?, inputs: [Input: String?], settings: [String: String]
    ) {
        let own = [
            "pass": pass.rawValue, "model": model, "data": data, "tokenizer": tokenizer, "template": template,
            "lora": trainsAdapters ? "adapters" : Self.none, "adapter": adapter ?? Self.none,
        ]
        let inputs = inputs.map { ($0.key.rawValue, $0.value ?? Self.none) }
        let all = own.merging(inputs) { own, _ in own }.merging(settings) { own, _ in own }
        self.pass = pass
        attributes = Dictionary(uniqueKeysWithValues: all.map { (Self.prefix + $0.key, $0.value) })
    }

    /// What differs from the run that kept `attributes`: what it was and what it is, digests by their beginnings. A key
    /// that one of the two does not know counts as null, and a switch as off.
    ///
    /// - Parameter passedOver: keys that may differ.
    func differences(from attributes: [String: String], except passedOver: [String] = []) -> [String] {
        let own = self.attributes
        // Checkpoints of earlier versions do not say what these were.
        let unknown =
            [Input.differences, .head].map { Self.prefix + $0.rawValue }.filter { attributes[$0] == nil }
            + passedOver.map { Self.prefix + $0 }
        let names = Set(own.keys).union(attributes.keys.filter { $0.hasPrefix(Self.prefix) }).subtracting(unknown)
        return names.sorted().compactMap { name in
            let (old, new) = (attributes[name, default: "null"], own[name, default: "null"])
            let isOffAndUnknown = [old, new].contains("null") && [old, new].contains("false")
            guard old != new, !isOffAndUnknown else { return nil }
            return "\(name.dropFirst(Self.prefix.count)) was \(Self.shown(old)) and is \(Self.shown(new))"
        }
    }

    /// Of a digest the beginning.
    package static func shown(_ value: String) -> String {
        value.count == 32 && value.allSatisfy(\.isHexDigit) ? value.prefix(8) + "…" : value
    }

    /// `none` of a method that could read the input and does not; nil of one that knows no such input.
    func digest(of input: Input) -> String? { attributes[Self.prefix + input.rawValue] }

    /// Those of a checkpoint's attributes that say what its run was made from.
    package static func attributes(in attributes: [String: String]) -> [String: String] {
        attributes.filter { $0.key.hasPrefix(prefix) }
    }

    /// The start model's digest in a checkpoint's attributes.
    package static func model(in attributes: [String: String]) -> String? { attributes[prefix + "model"] }

    /// The tokenizer's digest in a checkpoint's attributes.
    package static func tokenizer(in attributes: [String: String]) -> String? { attributes[prefix + "tokenizer"] }

    private static let none = "none"
    private static let prefix = "identity."
}

/// Where a training run begins.
package enum ResumePolicy: Sendable, Equatable {
    /// The newest complete checkpoint of the run's own directory, if any.
    case auto
    case never
    case path(String)
}
