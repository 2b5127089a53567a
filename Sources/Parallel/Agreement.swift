import Diagnostics
import Foundation

/// Errors that all ranks share: where one rank fails, all throw the same error at the same place, so none waits for ever
/// and only one line is printed.
extension Communicator {
    /// Collective. When any rank has an error, every rank throws the error of the lowest such rank.
    ///
    /// `RDOError.peers` is thrown at once: after it nothing can be asked of the others.
    package func agree(_ error: (any Error)?) throws {
        let own = error.map { $0 as? RDOError ?? RDOError(.artefact, $0.localizedDescription) }
        if let own, own.kind == .peers { throw own }
        let votes = try allReduceMax(own == nil ? 0 : size - rank)
        guard votes > 0 else { return }
        throw Self.decode(try broadcast(own.map(Self.encode) ?? [], from: size - votes))
    }

    /// Runs `body`, which does not communicate, on every rank; throws on all ranks when it throws on any.
    package func collectively<Result>(_ body: () throws -> Result) throws -> Result {
        let result = Swift.Result { try body() }
        var failure: (any Error)?
        if case .failure(let error) = result { failure = error }
        try agree(failure)
        return try result.get()
    }

    /// Collective. Rank 0, which reads and writes the shared files, finds a text; all ranks get it, or rank 0's error.
    package func textFromRankZero(_ find: () throws -> String) throws -> String {
        let own = try collectively { rank == 0 ? try find() : "" }
        return String(decoding: try broadcast(Array(own.utf8), from: 0), as: UTF8.self)
    }

    /// Collective. Like `textFromRankZero`, for a number.
    package func numberFromRankZero(_ find: () throws -> Int) throws -> Int {
        guard let number = Int(try textFromRankZero { String(try find()) }) else {
            preconditionFailure("a number between ranks is malformed")
        }
        return number
    }

    /// Collective. Like `textFromRankZero`, for an answer.
    package func isTrueOnRankZero(_ find: () throws -> Bool) throws -> Bool {
        try numberFromRankZero { try find() ? 1 : 0 } == 1
    }

    private static func encode(_ error: RDOError) -> [UInt8] {
        let texts = [error.what, error.place, error.remedy].map { text in text.map { "+" + $0 } ?? "-" }
        return Array(([String(error.kind.rawValue)] + texts).joined(separator: "\0").utf8)
    }

    private static func decode(_ bytes: [UInt8]) -> RDOError {
        let parts = bytes.split(separator: 0, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard parts.count == 4, let kind = Int32(parts[0]).flatMap(RDOError.Kind.init) else {
            preconditionFailure("an error message between ranks is malformed")
        }
        let texts = parts[1...].map { $0.hasPrefix("+") ? String($0.dropFirst()) : nil }
        return RDOError(kind, texts[0] ?? "", at: texts[1], remedy: texts[2])
    }
}
