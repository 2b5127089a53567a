import Parallel
import Transformer

/// A model in training: all of it, split over the shards, or adapters beside a frozen one.
package struct TrainedModel {
    package let model: TransformerModel
    /// What is trained, in `model.trainedLayout`.
    package let parameters: ShardedParameters
    package let mesh: Mesh
    /// What the model runs with.
    package let weights: any ParameterSource

    /// - Parameter frozen: the whole model that adapters stand beside.
    package init(_ model: TransformerModel, _ parameters: ShardedParameters, beside frozen: (any ParameterSource)?) {
        (self.model, self.parameters, mesh) = (model, parameters, parameters.mesh)
        weights =
            frozen.map { AdaptedParameters(base: $0, adapters: parameters, layout: parameters.layout) } ?? parameters
    }
}
