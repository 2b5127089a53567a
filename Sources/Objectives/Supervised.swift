/// Token cross-entropy, summed over a response and divided once by the tokens of the global batch.
package enum SupervisedObjective {
    /// - Parameter logProbability: summed over the response's tokens.
    package static func loss(logProbability: Double) -> Double { -logProbability }

    /// dLoss / d(log-probability sum) of any response.
    package static func gradient(totalTokens: Double) -> Double { -1 / totalTokens }
}
