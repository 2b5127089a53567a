import Foundation
import Tensors

/// Beam search in one group or several. Each group keeps its likeliest sequences; one that ends is set aside, with its
/// log-probability divided by a power of its length, until as many are set aside as there are beams and no open one, as it
/// is now, is better than the worst of them.
///
/// In groups, a token loses `diversityPenalty` for each beam of the groups before that takes it in this step
/// (Vijayakumar et al. 2016, equation 5, with Hamming diversity).
struct BeamSearch: ResponseSearch {
    var open = [OpenResponse()]
    private var groups: [BeamGroup]
    private var hasBegun = false
    private let (query, decoding, stop): (GenerationQuery, Decoding, StopCondition)
    private let chooser: TokenChooser

    init(_ query: GenerationQuery, _ decoding: Decoding, _ stop: StopCondition) {
        (self.query, self.decoding, self.stop) = (query, decoding, stop)
        chooser = TokenChooser(decoding: decoding)
        let count = decoding.strategy == .diverseBeam ? decoding.groups : 1
        groups = Array(
            repeating: BeamGroup(beams: decoding.beams / count, lengthPenalty: decoding.lengthPenalty), count: count)
    }

    var responses: [GeneratedResponse] {
        groups.flatMap(\.finished).sorted { $0.score > $1.score }.prefix(decoding.responses).map(\.response)
    }

    mutating func advance(_ logits: Matrix) throws {
        for index in open.indices {
            let row = logits.rows(index..<index + 1)
            let normalizer = Float(LogSoftmax.logSumExp(row))
            for column in row.elements.indices { row.elements[column] -= normalizer }
            chooser.penalizeRepetition(row, seen: [query.prompt, open[index].ids])
        }
        var next: [OpenResponse] = []
        var taken: [Int32: Int] = [:]
        var start = 0
        for index in groups.indices where !groups[index].isDone {
            var group = groups[index]
            let own = hasBegun ? start..<start + group.open.count : 0..<1
            if hasBegun { start = own.upperBound }
            try group.extend(Array(open[own]), logits.rows(own), stop) { token in
                Float(decoding.diversityPenalty) * Float(taken[token] ?? 0)
            }
            for token in group.taken { taken[token, default: 0] += 1 }
            if !group.isDone { next += group.open }
            groups[index] = group
        }
        (open, hasBegun) = (next, true)
    }
}

/// Beams that compete with each other alone.
private struct BeamGroup {
    let beams: Int
    let lengthPenalty: Double
    private(set) var open: [OpenResponse] = []
    /// The tokens that its beams took in the last step; the end of a response is none.
    private(set) var taken: [Int32] = []
    private(set) var finished: [(response: GeneratedResponse, score: Double)] = []
    private(set) var isDone = false

    init(beams: Int, lengthPenalty: Double) { (self.beams, self.lengthPenalty) = (beams, lengthPenalty) }

    /// - Parameters:
    ///   - parents: the beams.
    ///   - logProbabilities: of their next tokens, `[parents.count, vocabulary]`.
    ///   - penalty: what a token loses.
    mutating func extend(
        _ parents: [OpenResponse], _ logProbabilities: Matrix, _ stop: StopCondition,
        penalty: (Int32) -> Float
    ) throws {
        (open, taken) = ([], [])
        // Enough that as many as there are beams go on, however many end.
        for (rank, candidate) in candidates(parents, logProbabilities, stop, penalty).enumerated() {
            let end = try stop.end(of: candidate.ids)
            if taken.count < beams, end != .eos, let token = candidate.ids.last { taken.append(token) }
            if let end {
                if rank < beams { finish(GeneratedResponse(ids: candidate.ids, end: end), candidate.logProbability) }
            } else if open.count < beams {
                open.append(candidate)
            }
        }
        guard let best = open.first, let length = open.first?.ids.count else {
            isDone = true
            return
        }
        let hope = Double(best.logProbability) / pow(Double(length), lengthPenalty)
        isDone = finished.count == beams && finished[beams - 1].score >= hope
    }

    private func candidates(
        _ parents: [OpenResponse], _ logProbabilities: Matrix, _ stop: StopCondition, _ penalty: (Int32) -> Float
    ) -> [OpenResponse] {
        var best = LargestValues(max(2, 1 + stop.endTokenCount) * beams)
        let vocabulary = logProbabilities.columns
        for (index, parent) in parents.enumerated() {
            let row = logProbabilities.rows(index..<index + 1).elements
            for token in row.indices {
                let sum = row[token] + parent.logProbability
                // A penalty only lowers it.
                guard sum > best.least else { continue }
                best.offer(sum - penalty(Int32(token)), index * vocabulary + token)
            }
        }
        return best.ranked.map { sum, place in
            var longer = parents[place / vocabulary].adding(Int32(place % vocabulary))
            longer.logProbability = sum
            return longer
        }
    }

    private mutating func finish(_ response: GeneratedResponse, _ logProbability: Float) {
        let score = Double(logProbability) / pow(Double(response.ids.count), lengthPenalty)
        let place = finished.firstIndex { $0.score < score } ?? finished.count
        finished.insert((response, score), at: place)
        if finished.count > beams { finished.removeLast() }
    }
}
