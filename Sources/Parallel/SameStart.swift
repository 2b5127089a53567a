import Coding
import Diagnostics

extension Communicator {
    /// Collective. Compares what every rank was started with: ranks that do different things would wait for each other, or
    /// make something of neither.
    ///
    /// - Parameters:
    ///   - what: a name for messages.
    ///   - lines: the same on all ranks, one by one.
    /// - Throws: `RDOError.usage` on all ranks, naming the lowest rank that differs from rank 0, and the first difference.
    package func requireSame(_ what: String, _ lines: [String]) throws {
        let own = ByteWriter.bytes(of: lines) { $1.write($0) }
        let first = try ByteReader.array(of: broadcast(own, from: 0)) { try $0.readString() }
        try collectively {
            guard lines != first else { return }
            let place = zip(lines, first).enumerated().first { $1.0 != $1.1 }?.offset ?? min(lines.count, first.count)
            func shown(_ lines: [String]) -> String {
                place < lines.count ? (lines.sections(of: place) + lines[place].trimmed).shortened(to: 120) : "nothing"
            }
            throw RDOError(
                .usage,
                "the ranks were started differently: \(what) of rank \(rank) has \(shown(lines)), of rank 0 "
                    + shown(first), remedy: "start all ranks with the same program, command and files")
        }
    }
}

extension [String] {
    /// The keys of a YAML text that a line stands under, with a dot behind each.
    fileprivate func sections(of place: Int) -> String {
        var (names, depth) = ("", self[place].indentation)
        for line in self[..<place].reversed() where line.indentation < depth && line.hasSuffix(":") {
            names = line.trimmed.dropLast() + "." + names
            depth = line.indentation
        }
        return names
    }
}

extension String {
    fileprivate var indentation: Int { prefix { $0 == " " }.count }
    fileprivate var trimmed: String { String(drop { $0 == " " }) }
}
