import Foundation

/// How much memory this process holds.
public enum ResidentMemory {
    /// Bytes of the largest resident set so far, memory shared with other processes included; 0 where the system does not
    /// say.
    public static func peak() -> Int {
        let lines = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8))?.split(separator: "\n") ?? []
        let peak = lines.first { $0.hasPrefix("VmHWM:") }?.split(whereSeparator: \.isWhitespace).dropFirst().first
        return peak.flatMap { Int($0) }.map { $0 * 1024 } ?? 0
    }
}
