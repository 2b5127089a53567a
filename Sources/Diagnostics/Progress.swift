import Foundation

/// Shows how far a pass is: a bar that overwrites itself on a terminal, a plain line now and then in a log.
package final class Progress {
    private let log: Log
    private let title: String
    private let total: Int
    private let start: Int
    private let began = ContinuousClock.now
    private var lastShown = ContinuousClock.now - .seconds(3600)

    /// - Parameters:
    ///   - total: units of work in all; `start`: how many were done before this process began.
    package init(_ title: String, total: Int, start: Int = 0, log: Log) {
        (self.title, self.total, self.start, self.log) = (title, total, start, log)
    }

    /// - Parameter detail: a few figures, such as the loss.
    package func update(_ done: Int, detail: @autoclosure () -> String = "") {
        guard log.isSpeaking else { return }
        let interval: Duration = log.isInteractive ? .milliseconds(200) : .seconds(10)
        guard lastShown.duration(to: .now) >= interval || done == total else { return }
        lastShown = .now
        let elapsed = began.duration(to: .now) / .seconds(1)
        let rate = Double(done - start) / max(elapsed, 1e-9)
        let left = rate > 0 ? Self.clock(Double(total - done) / rate) : "?"
        let numbers = "\(title) \(done)/\(total) · \(Self.short(rate))/s · \(left) left"
        let text = detail().isEmpty ? numbers : numbers + " · " + detail()
        if log.isInteractive && done < total {
            let filled = total > 0 ? 20 * done / total : 20
            log.overwrite(
                "[" + String(repeating: "█", count: filled) + String(repeating: "·", count: 20 - filled) + "] " + text)
        } else {
            log.info(text)
        }
    }

    private static func short(_ value: Double) -> String { String(format: value < 10 ? "%.2f" : "%.0f", value) }

    private static func clock(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded(.up))
        return whole < 3600
            ? String(format: "%d:%02d", whole / 60, whole % 60)
            : String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
    }
}
