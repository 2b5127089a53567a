import Coding

/// What the rank that wrote a shard says of it, so that the index is written without opening the shards of others.
package struct WrittenShard: Equatable {
    let digest: Digest
    let byteCount: Int
    let parts: [CheckpointPart]

    init(digest: Digest, byteCount: Int, parts: [CheckpointPart]) {
        (self.digest, self.byteCount, self.parts) = (digest, byteCount, parts)
    }

    /// For the rank that writes the index.
    package var message: [UInt8] {
        var message = ByteWriter()
        message.write(digest.hex)
        message.write(byteCount)
        message.write(parts) { part, bytes in
            bytes.write(CheckpointKind.allCases.firstIndex(of: part.kind) ?? 0)
            bytes.write(part.name)
            bytes.write(part.shape) { $1.write($0) }
            bytes.write(part.rows.lowerBound)
            bytes.write(part.rows.count)
        }
        return message.bytes
    }

    /// - Throws: `RDOError(.peers)` when this is no such message.
    package init(message: [UInt8]) throws {
        var bytes = ByteReader(message)
        guard let digest = Digest(hex: try bytes.readString()) else { throw ByteReader.malformed }
        self.digest = digest
        byteCount = try bytes.readInt()
        parts = try bytes.readArray { bytes in
            let kind = try bytes.readInt()
            guard CheckpointKind.allCases.indices.contains(kind) else { throw ByteReader.malformed }
            let (name, shape) = (try bytes.readString(), try bytes.readArray { try $0.readInt() })
            let first = try bytes.readInt()
            return CheckpointPart(
                kind: CheckpointKind.allCases[kind], name: name, shape: shape,
                rows: first..<first + (try bytes.readInt()))
        }
    }
}
