import Diagnostics
import Foundation
import Preferences
import Settings

/// The template that every model of a run reads by: the one that `data.template` names, or with `auto` the base model's
/// own; and how it stands to that.
struct TemplateChoice {
    /// A line for people.
    struct Remark {
        let text: String
        let isWarning: Bool

        func say(_ log: Log) { isWarning ? log.warning(text) : log.info(text) }
    }

    let template: PromptTemplate
    let remark: Remark?

    /// - Throws: `RDOError.artefact` when the template is to be the model's own and a file that may hold it cannot be read.
    init(_ configuration: Configuration) throws {
        let directory = configuration.templateDirectory
        guard let named = configuration.data.namedTemplate else {
            self = Self.own(try OwnChatTemplate.read(directory), directory)
            return
        }
        template = named
        remark = Self.remark(on: named, configuration.data.template, directory)
    }

    private init(_ template: PromptTemplate, _ text: String, isWarning: Bool) {
        (self.template, remark) = (template, Remark(text: text, isWarning: isWarning))
    }

    private static func own(_ own: OwnChatTemplate?, _ directory: String) -> TemplateChoice {
        guard let own else {
            return TemplateChoice(
                .plain, "data.template is auto and \(directory) has no chat template: prompts are read as plain",
                isWarning: true)
        }
        guard let known = own.known else {
            return TemplateChoice(
                .plain,
                "\(own.file): the chat template is none that is known: prompts are read as plain; name one in "
                    + "data.template, or describe it in data.turns (docs/data.md)", isWarning: true)
        }
        return TemplateChoice(known.template, "data.template: \(known.name), as \(own.file) says", isWarning: false)
    }

    /// A template that is not the model's own is used, and said; so is a file that cannot tell.
    private static func remark(
        on named: PromptTemplate, _ name: TemplateName, _ directory: String
    ) -> Remark? {
        do {
            guard let own = try OwnChatTemplate.read(directory) else { return nil }
            let start = "data.template is \(name.rawValue), and the model's own chat template in \(own.file) is "
            guard let known = own.known else {
                return Remark(text: start + "none that is known: they are not compared", isWarning: true)
            }
            if known.template.withoutTools == named.withoutTools { return nil }
            return Remark(text: start + "\(known.name) (data.template: auto)", isWarning: true)
        } catch {
            return Remark(text: "the model's own chat template is not known: \(error)", isWarning: true)
        }
    }
}

extension Configuration {
    /// Where the base model's chat template is: beside its tokenizer.
    var templateDirectory: String {
        let source = tokenizerSource(model: baseModel)
        var isDirectory: ObjCBool = false
        let isThere = FileManager.default.fileExists(atPath: source, isDirectory: &isDirectory)
        return isThere && !isDirectory.boolValue
            ? URL(ofFile: source).deletingLastPathComponent().path : source
    }
}
