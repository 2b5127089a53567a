import Diagnostics
import Foundation

/// A file of JSON objects, one a line, flushed line by line: metrics.jsonl and the `--trace` file. Rank 0 writes.
package final class JSONLinesFile {
    private let file: UnsafeMutablePointer<FILE>
    private let path: String

    /// - Parameter keepingSteps: when a run is resumed, lines of steps from this one on were written by the interrupted
    ///   process after its last checkpoint and are dropped, so that every step stands once. Nil starts a new file.
    /// - Throws: `RDOError.usage` when the file cannot be written.
    package init(path: String, keepingStepsBefore step: Int?) throws {
        self.path = path
        var kept = ""
        if let step {
            for (lineStep, line) in Self.lines(of: path) where lineStep < step { kept += line + "\n" }
        }
        do {
            try kept.write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw RDOError(
                .usage, "cannot write (\(error.localizedDescription))", at: path, remedy: "choose a writable directory")
        }
        guard let file = fopen(path, "a") else {
            throw RDOError(.usage, "cannot write (\(String(cString: strerror(errno))))", at: path)
        }
        self.file = file
    }

    deinit { fclose(file) }

    /// True when the file at `path` has a line of this step.
    static func holds(step: Int, path: String) -> Bool { lines(of: path).contains { $0.step == step } }

    /// The complete lines of a file, with their steps; a line that a kill cut short is left out.
    private static func lines(of path: String) -> [(step: Int, line: String)] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
        return text.split(separator: "\n").compactMap { line in
            guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
                let step = object["step"] as? Int
            else { return nil }
            return (step, String(line))
        }
    }

    /// - Throws: `RDOError.usage` when the disk is full or gone.
    package func append(_ line: String) throws {
        guard fputs(line + "\n", file) >= 0, fflush(file) == 0 else {
            throw RDOError(.usage, "cannot write (\(String(cString: strerror(errno))))", at: path)
        }
    }

    /// An object with its keys in the order given and numbers at full precision (non-finite ones as null).
    package static func object(_ fields: [Metric]) -> String {
        let members = fields.map { field in
            let (name, value) = (field.name, field.value)
            if !value.isFinite { return "\"\(name)\": null" }
            let whole = value.rounded(.towardZero) == value && abs(value) < 1e15 && Self.countNames.contains(name)
            return whole ? "\"\(name)\": \(Int(value))" : "\"\(name)\": \(value)"
        }
        return "{" + members.joined(separator: ", ") + "}"
    }

    private static let countNames: Set = [
        "step", "samples", "tokens", "state_memory_bytes", "gathered_memory_bytes", "peak_memory_bytes",
    ]
}
