import Coding
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
        throw try Self.decode(broadcast(own.map(Self.encode) ?? [], from: size - votes))
    }

    /// Runs `body`, which does not communicate, on every rank; throws on all ranks when it throws on any.
    package func collectively<Result>(_ body: () throws -> Result) throws -> Result {
        let result = Swift.Result { try body() }
        var failure: (any Error)?
        if case .failure(let error) = result { failure = error }
        try agree(failure)
        return try result.get()
    }

    /// Collective. Runs `body` on rank 0, which reads and writes the shared files; an error there is everybody's.
    ///
    /// - Returns: nil on the other ranks.
    @discardableResult
    package func onRankZero<Result>(_ body: () throws -> Result) throws -> Result? {
        try collectively { rank == 0 ? try body() : nil }
    }

    /// Collective. Rank 0 finds a text; all ranks get it, or rank 0's error.
    package func textFromRankZero(_ find: () throws -> String) throws -> String {
        try fromRankZero(find, write: { $1.write($0) }, read: { try $0.readString() })
    }

    /// Collective. Like `textFromRankZero`, for a count.
    package func numberFromRankZero(_ find: () throws -> Int) throws -> Int {
        try fromRankZero(find, write: { $1.write($0) }, read: { try $0.readInt() })
    }

    /// Collective. Like `textFromRankZero`, for an answer.
    package func isTrueOnRankZero(_ find: () throws -> Bool) throws -> Bool {
        try fromRankZero(find, write: { $1.write($0) }, read: { try $0.readBool() })
    }

    private func fromRankZero<Value>(
        _ find: () throws -> Value, write: (Value, inout ByteWriter) -> Void,
        read: (inout ByteReader) throws -> Value
    ) throws -> Value {
        var own = ByteWriter()
        if let value = try collectively({ rank == 0 ? try find() : nil }) { write(value, &own) }
        var bytes = ByteReader(try broadcast(own.bytes, from: 0))
        return try read(&bytes)
    }

    private static func encode(_ error: RDOError) -> [UInt8] {
        var bytes = ByteWriter()
        bytes.write(Int(error.kind.rawValue))
        bytes.write(error.what)
        bytes.write(optional: error.place) { $1.write($0) }
        bytes.write(optional: error.remedy) { $1.write($0) }
        return bytes.bytes
    }

    private static func decode(_ bytes: [UInt8]) throws -> RDOError {
        var bytes = ByteReader(bytes)
        guard let kind = RDOError.Kind(rawValue: Int32(truncatingIfNeeded: try bytes.readInt())) else {
            throw ByteReader.malformed
        }
        return RDOError(
            kind, try bytes.readString(), at: try bytes.readOptional { try $0.readString() },
            remedy: try bytes.readOptional { try $0.readString() })
    }
}
