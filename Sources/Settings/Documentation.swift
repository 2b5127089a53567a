extension ConfigurationSection {
    /// docs/configuration.md, from the declarations themselves.
    package static func markdown() -> String {
        var text = """
            # Configuration

            A configuration is a YAML file. Every key is typed; an unknown one is an error that names the nearest known key.
            `--set section.key=value` overrides any key; relative paths are relative to the current directory. The effective
            configuration, with all defaults, is stored in every artefact. Values that may be null are optional; integers have
            32 bits. `configs/` has complete examples. (This page is generated from the declarations in the sources:
            `RDO_UPDATE_DOCS=1 make test` writes it.)


            """
        let defaults = Self()
        let top = fields.filter { $0.kind != nil }.flatMap { $0.rows(defaults, "") }
        text += table(top)
        for field in fields where field.kind == nil {
            text += "\n## \(field.key)\n\n\(field.help)\n\n" + table(field.rows(defaults, ""))
        }
        return text
    }

    private static func table(_ rows: [SettingRow]) -> String {
        "| key | value | default | what |\n|---|---|---|---|\n"
            + rows.map { "| `\($0.key)` | \($0.kind) | `\($0.value)` | \($0.help) |\n" }.joined()
    }
}
