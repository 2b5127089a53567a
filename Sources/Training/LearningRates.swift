import Foundation
import Settings
import Transformer

/// Learning rate of each parameter at each step: linear warm-up from 0, then constant, linear or cosine decay to a floor.
package struct LearningRates: Sendable {
    private let settings: TrainingSettings
    /// Peak rate of the scalar head.
    private let headPeak: Double
    private let totalSteps: Int
    private let warmupSteps: Int

    /// - Parameters:
    ///   - head: the scalar head's own peak rate; nil means the body's.
    ///   - totalSteps: of the run; the schedule is made for `schedule_steps` where that is set, and stays at its floor after.
    package init(_ settings: TrainingSettings, head: Double?, totalSteps: Int) {
        let totalSteps = settings.scheduleSteps ?? totalSteps
        (self.settings, self.totalSteps) = (settings, totalSteps)
        headPeak = head ?? settings.learningRate
        warmupSteps = min(
            totalSteps, settings.warmupSteps ?? Int((settings.warmupRatio * Double(totalSteps)).rounded(.up)))
    }

    /// The body's rate at update `step`, counted from 0.
    package func rate(step: Int) -> Double { settings.learningRate * factor(step: step) }

    package func rate(step: Int, of parameter: ParameterSpec) -> Double {
        (parameter.role == .scalarHead ? headPeak : settings.learningRate) * factor(step: step)
    }

    /// The rate as a share of its peak: a warm-up of `w` steps uses `(step + 1) / (w + 1)`, so that the first update is not
    /// wasted on a rate of zero.
    func factor(step: Int) -> Double {
        if step < warmupSteps { return Double(step + 1) / Double(warmupSteps + 1) }
        let progress = Double(step - warmupSteps) / Double(max(totalSteps - warmupSteps, 1))
        let decay =
            switch settings.schedule {
            case .constant: 1.0
            case .linear: max(0, 1 - progress)
            case .cosine: 0.5 * (1 + cos(.pi * min(1, progress)))
            }
        let floor = settings.minimumLearningRateRatio
        return floor + (1 - floor) * decay
    }
}
