extension Evaluation {
    /// What one scorer says of two policies, query by query.
    package struct Judgement: Codable, Sendable {
        package let scorer: String
        /// Shares of the queries.
        package let win: Interval
        package let tie: Interval
        package let lose: Interval
        /// Wins and half of the ties.
        package let winRate: Interval
        /// The difference of the scores, the mean over queries.
        package let margin: Interval
        /// Pearson's, of that difference with the difference in tokens; nil where either never changes.
        package let lengthCorrelation: Double?
        /// See `LengthControl`; nil where the outcomes do not determine it.
        package let lengthControlledWinRate: Interval?

        /// - Parameters:
        ///   - margins: of each query the score of the policy less that of the other.
        ///   - tieMargin: a margin no greater than this is a tie.
        ///   - lengthDifferences: of each query, in tokens.
        /// - Returns: nil where there is no query.
        package init?(
            scorer: String, margins: [Double], tieMargin: Double, lengthDifferences: [Double], _ bootstrap: Bootstrap
        ) {
            let outcomes = margins.map { abs($0) <= tieMargin ? 0.5 : $0 > 0 ? 1 : 0 }
            func share(_ outcome: Double) -> Interval? {
                bootstrap.interval(ofMean: outcomes.map { $0 == outcome ? 1 : 0 })
            }
            guard let win = share(1), let tie = share(0.5), let lose = share(0),
                let winRate = bootstrap.interval(ofMean: outcomes), let margin = bootstrap.interval(ofMean: margins)
            else { return nil }
            (self.scorer, self.win, self.tie, self.lose) = (scorer, win, tie, lose)
            (self.winRate, self.margin) = (winRate, margin)
            lengthCorrelation = margins.correlation(with: lengthDifferences)
            let control = LengthControl(outcomes: outcomes, lengthDifferences: lengthDifferences)
            lengthControlledWinRate = bootstrap.interval(ofUnits: outcomes.count) { control.fit(of: $0)?.winRate }
        }
    }
}
