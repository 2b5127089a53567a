import Foundation

/// How rotary frequencies are stretched beyond the trained context.
package enum RopeScaling: Sendable, Equatable {
    case none
    /// All frequencies divided by `factor`.
    case linear(factor: Double)
    /// A base that grows with sequences longer than `max_position_embeddings`, which is no sequence here: within the model's
    /// own limit the frequencies are the plain ones. Kept to be written again.
    case dynamic(factor: Double)
    /// Llama 3.1: long wavelengths divided by `factor`, short ones kept, a smooth passage between.
    case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalMaxPositions: Int)
    /// Peng et al. 2023 (YaRN), arXiv 2309.00071, sections 3.2 and 3.4.
    case yarn(YaRN)

    package struct YaRN: Sendable, Equatable {
        var factor: Double
        var originalMaxPositions: Int
        /// Turns within the original context from which a frequency is kept, and below which it is divided by `factor`.
        var fastTurns = 32.0
        var slowTurns = 1.0
        /// The passage between begins and ends at whole indices.
        var hasWholeBounds = true
        /// Times both queries and keys.
        package var attentionFactor: Double

        /// The root of the paper's temperature, equation 22; `weight` is a file's `mscale`.
        static func attentionFactor(_ factor: Double, weight: Double = 1) -> Double {
            factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1
        }

        /// The part of a frequency that is divided: 0 keeps it, 1 divides it whole.
        fileprivate func dividedPart(of index: Int, theta: Double, headSize: Int) -> Double {
            // The index whose wavelength fits so many times into the original context.
            func place(ofTurns turns: Double) -> Double {
                Double(headSize) * log(Double(originalMaxPositions) / (turns * 2 * .pi)) / (2 * log(theta))
            }
            var (first, last) = (place(ofTurns: fastTurns), place(ofTurns: slowTurns))
            if hasWholeBounds { (first, last) = (first.rounded(.down), last.rounded(.up)) }
            (first, last) = (max(first, 0), min(last, Double(headSize - 1)))
            if first == last { last += 0.001 }
            return min(max((Double(index) - first) / (last - first), 0), 1)
        }
    }

    /// What every cosine and sine is multiplied with.
    var attentionFactor: Double {
        if case .yarn(let yarn) = self { yarn.attentionFactor } else { 1 }
    }

    /// Inverse frequencies, `[headSize / 2]`.
    ///
    /// Source: Su et al. 2021 (RoFormer), section 3.2.2; Llama 3 smoothing as published with Llama 3.1.
    func inverseFrequencies(theta: Double, headSize: Int) -> [Double] {
        (0..<(headSize / 2)).map { index in
            let frequency = pow(theta, -2 * Double(index) / Double(headSize))
            switch self {
            case .none, .dynamic: return frequency
            case .linear(let factor): return frequency / factor
            case .llama3(let factor, let low, let high, let original):
                let wavelength = 2 * Double.pi / frequency
                if wavelength < Double(original) / high { return frequency }
                if wavelength > Double(original) / low { return frequency / factor }
                let smooth = (Double(original) / wavelength - low) / (high - low)
                return (1 - smooth) * frequency / factor + smooth * frequency
            case .yarn(let yarn):
                let part = yarn.dividedPart(of: index, theta: theta, headSize: headSize)
                return part * frequency / yarn.factor + (1 - part) * frequency
            }
        }
    }
}

extension RopeScaling {
    /// - Parameters:
    ///   - object: `rope_scaling`, or `rope_parameters` of newer files; nil where there is none.
    ///   - maxPositions: of the model, which files may leave to be the original's.
    init(_ object: ConfigurationReader?, maxPositions: Int) throws {
        self = .none
        guard let object else { return }
        guard let type = try object.optionalText("rope_type") ?? object.optionalText("type") else {
            if object.has("factor") { throw object.error("rope_type", "is missing") }
            return
        }
        switch type {
        case "default": break
        case "linear": self = .linear(factor: try object.number("factor"))
        case "dynamic": self = .dynamic(factor: try object.number("factor"))
        case "llama3":
            let (low, high) = (try object.number("low_freq_factor"), try object.number("high_freq_factor"))
            guard low < high else { throw object.error("low_freq_factor", "is not below high_freq_factor") }
            self = .llama3(
                factor: try object.number("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
                originalMaxPositions: try object.count("original_max_position_embeddings"))
        case "yarn": self = .yarn(try YaRN(object, maxPositions: maxPositions))
        default:
            throw object.error("rope_type", "is \(type); supported are default, linear, dynamic, llama3 and yarn")
        }
    }

    /// As config.json states it.
    var json: [String: Any]? {
        switch self {
        case .none: nil
        case .linear(let factor): ["rope_type": "linear", "factor": factor]
        case .dynamic(let factor): ["rope_type": "dynamic", "factor": factor]
        case .llama3(let factor, let low, let high, let original):
            [
                "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
                "original_max_position_embeddings": original,
            ]
        case .yarn(let yarn):
            [
                "rope_type": "yarn", "factor": yarn.factor,
                "original_max_position_embeddings": yarn.originalMaxPositions, "beta_fast": yarn.fastTurns,
                "beta_slow": yarn.slowTurns, "truncate": yarn.hasWholeBounds, "attention_factor": yarn.attentionFactor,
            ]
        }
    }
}

extension RopeScaling.YaRN {
    fileprivate init(_ object: ConfigurationReader, maxPositions: Int) throws {
        let original = try object.count("original_max_position_embeddings", default: maxPositions)
        let factor = try object.number("factor", default: Double(maxPositions) / Double(original))
        let (weight, whole) = (try object.optionalNumber("mscale"), try object.optionalNumber("mscale_all_dim"))
        var implied = Self.attentionFactor(factor)
        if let weight, let whole {
            implied = Self.attentionFactor(factor, weight: weight) / Self.attentionFactor(factor, weight: whole)
        }
        self.init(
            factor: factor, originalMaxPositions: original,
            fastTurns: try object.number("beta_fast", default: 32),
            slowTurns: try object.number("beta_slow", default: 1),
            hasWholeBounds: try object.flag("truncate", default: true),
            attentionFactor: try object.number("attention_factor", default: implied))
        guard fastTurns > slowTurns else { throw object.error("beta_fast", "is not above beta_slow") }
    }
}
