/// Shape and constants of a model, as a Hugging Face config.json states them.
package struct ModelConfiguration: Sendable, Equatable {
    package var family: ModelFamily
    package var hiddenSize: Int
    package var intermediateSize: Int
    package var layerCount: Int
    package var headCount: Int
    package var keyValueHeadCount: Int
    package var headSize: Int
    package var vocabularySize: Int
    package var maxPositions: Int
    package var normEpsilon: Float
    package var ropeTheta: Double
    package var ropeScaling: RopeScaling
    /// Blocks that see a window of positions only, how many, and the rotary base that they use.
    package var localLayers: Set<Int> = []
    package var slidingWindow: Int?
    package var localRopeTheta: Double?
    /// Blocks without rotary embedding.
    package var unrotatedLayers: Set<Int> = []
    /// Scores are divided by its root: the head size unless a file says otherwise.
    package var scoreDivisor: Double
    package var tiesEmbeddings: Bool
    package var queryKeyValueBias: Bool
    package var outputBias: Bool
    package var bosTokenID: Int32?
    /// The first ends a response.
    package var eosTokenIDs: [Int32]
    /// Standard deviation of new matrices.
    package var initializerRange: Double

    package init(
        family: ModelFamily = .llama, hiddenSize: Int, intermediateSize: Int, layerCount: Int, headCount: Int,
        keyValueHeadCount: Int, headSize: Int, vocabularySize: Int, maxPositions: Int, normEpsilon: Float,
        ropeTheta: Double = 10_000, ropeScaling: RopeScaling = .none, tiesEmbeddings: Bool,
        queryKeyValueBias: Bool = false, outputBias: Bool = false, bosTokenID: Int32? = nil, eosTokenIDs: [Int32] = [],
        initializerRange: Double = 0.02
    ) {
        self.family = family
        (self.hiddenSize, self.intermediateSize, self.layerCount) = (hiddenSize, intermediateSize, layerCount)
        (self.headCount, self.keyValueHeadCount, self.headSize) = (headCount, keyValueHeadCount, headSize)
        (self.vocabularySize, self.maxPositions, self.normEpsilon) = (vocabularySize, maxPositions, normEpsilon)
        (self.ropeTheta, self.ropeScaling, self.tiesEmbeddings) = (ropeTheta, ropeScaling, tiesEmbeddings)
        (self.queryKeyValueBias, self.outputBias) = (queryKeyValueBias, outputBias)
        scoreDivisor = Double(headSize)
        (self.bosTokenID, self.eosTokenIDs, self.initializerRange) = (bosTokenID, eosTokenIDs, initializerRange)
    }

    /// How many positions back a block sees, its own included; nil where all.
    package func window(ofLayer layer: Int) -> Int? { localLayers.contains(layer) ? slidingWindow : nil }

    /// Inverse rotary frequencies, `[headSize / 2]`, scaled.
    ///
    /// - Parameter isLocal: of blocks that have a base of their own, which is not scaled.
    package func inverseFrequencies(isLocal: Bool = false) -> [Double] {
        isLocal
            ? RopeScaling.none.inverseFrequencies(theta: localRopeTheta ?? ropeTheta, headSize: headSize)
            : ropeScaling.inverseFrequencies(theta: ropeTheta, headSize: headSize)
    }
}
