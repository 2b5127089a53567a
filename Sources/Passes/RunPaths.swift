import Foundation
import Methods
import Settings

/// Where the passes of a run find and leave their files.
extension Configuration {
    /// What rdo remembers from one start to the next; all of it can be found out again.
    var stateDirectory: String { output + "/.rdo" }

    /// Sizes of the data files that are there, which nodes without a common file system may have in different versions.
    func dataSizes() -> [String] {
        (data.train + data.test).map { file in
            var status = stat()
            return stat(file, &status) == 0 ? "\(file) of \(status.st_size) bytes" : "no \(file)"
        }
    }

    /// The data as models read them.
    var dataDirectory: String { output + "/data" }

    /// The effective configuration of the last start.
    var storedConfiguration: String { stateDirectory + "/config.yaml" }

    /// Where a pass keeps its files.
    func directory(of pass: PassName) -> String { output + "/\(pass)" }

    /// The model directory that a training pass leaves.
    package func trainedModel(of pass: PassName) -> String { directory(of: pass) + "/model" }

    /// The adapter directory that a training pass with `lora` leaves.
    func trainedAdapter(of pass: PassName) -> String { directory(of: pass) + "/adapter" }

    /// Where a training pass starts: its own `model` or `start`, else what SFT left when SFT is among the passes, else the
    /// base.
    package func startModel(of pass: PassName) -> String {
        if let setting = training(of: pass)?.model { return setting }
        switch scalarHead(of: pass)?.start {
        case .base?: return baseModel
        case .sft?: return trainedModel(of: SupervisedMethod.name)
        case .reward?: return trainedModel(of: RewardMethod.name)
        case .difference?: return trainedModel(of: DifferenceMethod.name)
        case nil: break
        }
        let hasSupervised = passes.contains(SupervisedMethod.name)
        return hasSupervised && pass != SupervisedMethod.name ? trainedModel(of: SupervisedMethod.name) : baseModel
    }

    /// Where the first of the passes that align a policy starts: reference and scoring passes read the data as that model
    /// does.
    var alignmentModel: String {
        let policies = Set(Self.trainingPasses.filter { $0.purpose == .alignsPolicy }.map(\.name))
        let pass = passes.first(where: policies.contains) ?? PairwiseMethod.name
        return startModel(of: pass)
    }

    /// `model.path`, or where `model.init` is written.
    package var baseModel: String { model.path ?? output + "/initial-model" }

    /// What reference log-probabilities are of.
    package var referenceModel: String { reference.model ?? alignmentModel }

    /// What predicts the reward differences.
    var scorerModel: String {
        score.model ?? trainedModel(of: scorerPass)
    }

    /// The pass that trains it, unless another model is named.
    var scorerPass: PassName { score.scorer == .difference ? DifferenceMethod.name : RewardMethod.name }

    package var coefficientFile: ArtefactPath { ArtefactPath(score.file ?? output + "/coefficients.h5") }

    package var referenceFile: ArtefactPath { ArtefactPath(reference.file ?? output + "/reference.h5") }
}
