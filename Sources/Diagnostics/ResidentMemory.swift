import Foundation

/// How much memory this process holds.
package enum ResidentMemory {
    /// Bytes of the largest resident set so far, memory shared with other processes included; 0 where the system does not
    /// say.
    package static func peak() -> Int { bytes("VmHWM:") }

    /// Bytes that are resident now, counted in the same way.
    package static func current() -> Int { bytes("VmRSS:") }

    private static func bytes(_ name: String) -> Int {
        let lines = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8))?.split(separator: "\n") ?? []
        let value = lines.first { $0.hasPrefix(name) }?.split(whereSeparator: \.isWhitespace).dropFirst().first
        return value.flatMap { Int($0) }.map { $0 * 1024 } ?? 0
    }
}
