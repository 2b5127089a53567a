import Diagnostics
import Storage

extension Session {
    /// Runs what computes with models: where a number is not finite, and a weight of theirs was not from the beginning, the
    /// error says so.
    func blamingWeights<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as RDOError where error.kind == .numerical {
            for (path, head) in readModels {
                guard let (tensor, row) = try ModelDirectory.open(path, head: head).firstNonFinite() else { continue }
                throw RDOError(
                    .numerical, error.what, at: error.place,
                    remedy: [
                        error.remedy,
                        "the weights are to blame: row \(row) of \(tensor) in \(path) holds a number that is not "
                            + "finite; get or export the model again",
                    ].compactMap { $0 }.joined(separator: "; "))
            }
            throw error
        }
    }
}
