import Coding
import Diagnostics

/// A record as token ids that ranks can send to each other.
package protocol TokenizedRow: Sendable {
    /// Index of the record in the data set.
    var row: Int { get set }
    var isPromptTruncated: Bool { get }
    var truncatedResponses: [Bool] { get }

    func encode(to bytes: inout ByteWriter)
    init(from bytes: inout ByteReader) throws
}

/// Tokenised rows as bytes: each rank tokenises a slice of the data, and all ranks gather the bytes of all.
package enum TokenizedRowCoding {
    package static func encode<Row: TokenizedRow>(_ results: [Result<Row, BadRow>]) -> [UInt8] {
        var bytes = ByteWriter()
        bytes.write(results.count)
        for result in results {
            switch result {
            case .success(let row):
                bytes.write(true)
                row.encode(to: &bytes)
            case .failure(let row):
                bytes.write(false)
                bytes.write(row.file)
                bytes.write(row.line)
                bytes.write(row.reason)
            }
        }
        return bytes.bytes
    }

    /// - Throws: `RDOError.peers` when the bytes are not those of `encode`.
    package static func decode<Row: TokenizedRow>(
        _ bytes: [UInt8], as type: Row.Type = Row.self
    ) throws -> [Result<Row, BadRow>] {
        var bytes = ByteReader(bytes)
        let results: [Result<Row, BadRow>] = try bytes.readArray { bytes in
            guard try bytes.readBool() else {
                return .failure(
                    BadRow(file: try bytes.readString(), line: try bytes.readInt(), reason: try bytes.readString()))
            }
            return .success(try Row(from: &bytes))
        }
        guard bytes.isAtEnd else { throw ByteReader.malformed }
        return results
    }
}

extension TokenizedExample {
    package func encode(to bytes: inout ByteWriter) {
        bytes.write(row)
        bytes.write(kind.rawValue)
        bytes.write(prompt)
        bytes.write(responses) { $1.write($0) }
        bytes.write(truncatedResponses) { $1.write($0) }
        bytes.write(isPromptTruncated)
        bytes.write(optional: scores) { $1.write($0) }
        bytes.write(optional: label) { $1.write($0) }
        bytes.write(optional: weight) { $1.write($0) }
        bytes.write(optional: listPlaces) { $1.write($0) { $1.write($0) } }
        bytes.write(promptText)
        bytes.write(responseTexts) { $1.write($0) }
    }

    package init(from bytes: inout ByteReader) throws {
        row = try bytes.readInt()
        guard let kind = PreferenceRecord.Kind(rawValue: try bytes.readString()) else { throw ByteReader.malformed }
        self.kind = kind
        prompt = try bytes.readIDs()
        responses = try bytes.readArray { try $0.readIDs() }
        truncatedResponses = try bytes.readArray { try $0.readBool() }
        isPromptTruncated = try bytes.readBool()
        scores = try bytes.readOptional { try $0.readDoubles() }
        label = try bytes.readOptional { try $0.readBool() }
        weight = try bytes.readOptional { try $0.readDouble() }
        listPlaces = try bytes.readOptional { try $0.readArray { try $0.readInt() } }
        promptText = try bytes.readString()
        responseTexts = try bytes.readArray { try $0.readString() }
    }
}

extension DifferenceExample {
    package func encode(to bytes: inout ByteWriter) {
        bytes.write(row)
        bytes.write(query)
        bytes.write(asFirst) { $1.write($0) }
        bytes.write(asSecond) { $1.write($0) }
        bytes.write(truncatedResponses) { $1.write($0) }
        bytes.write(isPromptTruncated)
    }

    package init(from bytes: inout ByteReader) throws {
        row = try bytes.readInt()
        query = try bytes.readIDs()
        asFirst = try bytes.readArray { try $0.readIDs() }
        asSecond = try bytes.readArray { try $0.readIDs() }
        truncatedResponses = try bytes.readArray { try $0.readBool() }
        isPromptTruncated = try bytes.readBool()
    }
}
