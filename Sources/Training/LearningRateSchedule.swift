import Configuration
import Foundation

/// Learning rate of each step: linear warm-up from 0, then constant, linear or cosine decay to a floor.
package struct LearningRateSchedule: Sendable {
    let kind: ScheduleKind
    let peak: Double
    let warmupSteps: Int
    let totalSteps: Int
    let minimumRatio: Double

    package init(_ settings: TrainingSettings, totalSteps: Int) {
        kind = settings.schedule
        peak = settings.learningRate
        warmupSteps = min(
            totalSteps, settings.warmupSteps ?? Int((settings.warmupRatio * Double(totalSteps)).rounded(.up)))
        self.totalSteps = totalSteps
        minimumRatio = settings.minimumLearningRateRatio
    }

    /// The rate as a share of its peak at update `step`, counted from 0: a warm-up of `w` steps uses `(step + 1) / (w + 1)`,
    /// so that the first update is not wasted on a rate of zero.
    package func factor(step: Int) -> Double {
        if step < warmupSteps { return Double(step + 1) / Double(warmupSteps + 1) }
        let progress = Double(step - warmupSteps) / Double(max(totalSteps - warmupSteps, 1))
        let decay =
            switch kind {
            case .constant: 1.0
            case .linear: max(0, 1 - progress)
            case .cosine: 0.5 * (1 + cos(.pi * min(1, progress)))
            }
        return minimumRatio + (1 - minimumRatio) * decay
    }
}
