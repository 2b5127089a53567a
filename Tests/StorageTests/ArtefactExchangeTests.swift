import Coding
import CHDF5
import Diagnostics
import Foundation
import Testing

@testable import Inspection
@testable import Storage

/// Files go to other programs and come from them.
@Suite("h5py") struct ArtefactExchangeTests {
    @Test(.enabled(if: H5py.isThere, "no Python with h5py")) func h5pyReadsCoefficients() throws {
        let scratch = try Scratch()
        try Sample.coefficients(scratch.file("c.h5"), pairs: 10)
        let script = """
            import sys, h5py, numpy as np
            f = h5py.File(sys.argv[1], 'r')
            a = f.attrs
            assert a['schema'] == 'rdo.coefficients/1', a['schema']
            assert a['created'] == '2023-11-14T22:13:20Z' and a['software'] == 'rdo test'
            assert a['config'] == 'seed: 1\\nname: gr\\u00fcn\\n' and a['world_size'] == 3
            assert a['scorer'] == 'difference' and a['symmetric'] == 1
            assert (a['model_digest'], a['tokenizer_digest'], a['data_digest']) == ('m1', 't1', 'd1')
            assert a['template'] == 'Query: {x}'
            n = np.arange(10, dtype='f4')
            d, r = f['pairs/difference'], f['pairs/difference_reversed']
            assert d.dtype == '<f4' and d.fletcher32 and (d[:] == n * .25 - 1).all()
            assert (r[:] == -n * .25 + 1.125).all() and (f['pairs/position_bias'][:] == .0625).all()
            assert f['pairs/key'].shape == (10, 16) and f['pairs/key'].dtype == 'u1'
            assert bytes(f['pairs/key'][3]).hex() == sys.argv[2]
            assert (f['pairs/label'][:] == np.where(n % 4 == 3, -1, 1)).all()
            assert (f['pairs/first'][:] == 2 * n).all() and (f['pairs/second'][:] == 2 * n + 1).all()
            q = f['queries/text'].asstr()
            assert [q[i] for i in range(10)] == ['query %d \\u68a8' % i for i in range(10)]
            assert f['responses/text'].asstr()[19] == 'response 19\\n'
            assert f['responses/query'][19] == 9 and f['responses/token_count'][19] == 7
            print('ok')
            """
        let key = Sample.tables(pairs: 10).pairKeys[3].description
        let result = try H5py.run(script, [scratch.file("c.h5"), key])
        #expect(result.output == "ok\n")
    }

    @Test(.enabled(if: H5py.isThere, "no Python with h5py")) func h5pyReadsReferences() throws {
        let scratch = try Scratch()
        try Sample.reference(scratch.file("r.h5"), count: 11)
        let script = """
            import sys, h5py, numpy as np
            f = h5py.File(sys.argv[1], 'r')
            assert f.attrs['schema'] == 'rdo.reference/1' and f.attrs['model_digest'] == 'm1'
            n = np.arange(11)
            l = f['responses/logprob']
            assert l.dtype == '<f8' and (l[:] == -(n + 1.) / 3).all()
            assert f['responses/token_count'].dtype == '<i4' and (f['responses/token_count'][:] == n + 2).all()
            assert bytes(f['responses/key'][10]).hex() == sys.argv[2]
            print('ok')
            """
        let key = ContentKey.response(query: [10], response: [10, 2]).description
        let result = try H5py.run(script, [scratch.file("r.h5"), key])
        #expect(result.output == "ok\n")
    }

    @Test(.enabled(if: H5py.isThere, "no Python with h5py")) func h5pyReadsCheckpoints() throws {
        let scratch = try Scratch()
        let path = try SavedRun.save(scratch.path, step: 100)
        let script = """
            import sys, h5py, numpy as np
            f = h5py.File(sys.argv[1] + '/index.h5', 'r')
            assert f.attrs['schema'] == 'rdo.checkpoint/1'
            s = f['state'].attrs
            assert s['step'] == 100 and s['samples_consumed'] == 6400 and s['seed'] == 2**64 - 4
            assert s['task'] == 'dpo' and s['blas_core'] == 'Haswell' and f['state/extra'].attrs['note'] == '\\u00fc'
            for group in ('/model', '/optimizer/m', '/optimizer/v'):
                assert len(f[group]) == 4
                for name, d in f[group].items():
                    assert d.is_virtual
                    offset = len(group) * 1000 + len(name) * 10 + 100
                    expected = offset + np.arange(d.size).reshape(d.shape) / 16
                    assert (d[:] == expected.astype('f4')).all(), name
            print('ok')
            """
        let result = try H5py.run(script, [path])
        #expect(result.output == "ok\n")
    }

    /// What docs/files.md asks of other programs, in every form that it allows.
    @Test(.enabled(if: H5py.isThere, "no Python with h5py"), arguments: ["bytes", "opaque"])
    func filesOfOthersAreAccepted(_ form: String) throws {
        let scratch = try Scratch()
        let path = scratch.file("other.h5")
        let script = """
            import sys, h5py, numpy as np
            key = np.frombuffer(bytes.fromhex(sys.argv[3]), 'u1').reshape(-1, 16)
            with h5py.File(sys.argv[1], 'w') as f:
                f.attrs['schema'] = 'rdo.coefficients/1'
                if sys.argv[2] == 'bytes':
                    f['pairs/key'] = key
                    f['pairs/difference'] = np.array([.5, -1, 2], '>f8')
                else:
                    f['pairs/key'] = key.view('V16')[:, 0]
                    f.create_dataset('pairs/difference', data=np.array([.5, -1, 2], 'f4'), compression='gzip')
                    f['pairs/difference_reversed'] = np.array([0, 1, -2], 'f4')
                    f['pairs/label'] = np.array([1, 1, 0])
                    f.attrs['tokenizer_digest'] = np.bytes_('t1')
            """
        let keys = Array(Sample.tables(pairs: 3).pairKeys)
        let result = try H5py.run(script, [path, form, keys.map(\.description).joined()])
        #expect(result.output == "" && result.status == 0)
        let file = try CoefficientFile.read(path)
        #expect(file.keys.elementsEqual(keys) && !file.isSealed)
        #expect(Array(file.differences) == [0.5, -1, 2])
        #expect(file.reversed.map { Array($0) } == (form == "opaque" ? [0, 1, -2] : nil))
        #expect(file.provenance.tokenizerDigest == (form == "opaque" ? "t1" : nil))
        #expect(file.header.software.isEmpty)
        #expect(try Artefacts.verify(path).contains("another program"))
        let summary = try ArtefactSummary(of: path, pairs: 1)
        #expect(summary.coefficients?.agreement == (form == "opaque" ? 0.5 : 2.0 / 3))
        #expect(summary.coefficients?.largest.first?.row == 2)
        #expect(throws: Never.self) { try JSONEncoder().encode(summary) }
    }

    @Test func wrongFilesOfOthersAreExplained() throws {
        let scratch = try Scratch()
        let path = scratch.file("other.h5")
        let keys = Array(Sample.tables(pairs: 3).pairKeys)
        func make(
            schema: String? = CoefficientFile.schema, keys: [ContentKey]? = keys, differences: [Float]? = [1, 2, 3],
            reversed: [Float]? = nil
        ) throws {
            try? FileManager.default.removeItem(atPath: path)
            let file = try HDF5File(creating: path)
            if let schema { try file.setAttribute("schema", .text(schema)) }
            if let keys { try file.write(keys, to: "/pairs/key") }
            if let differences { try file.write(differences, to: "/pairs/difference") }
            if let reversed { try file.write(reversed, to: "/pairs/difference_reversed") }
            try file.close()
        }
        func problem() -> String { artefactError { _ = try CoefficientFile.read(path) }?.what ?? "" }
        try make()
        #expect(try CoefficientFile.read(path).count == 3)
        try make(schema: nil)
        #expect(problem() == "the root attribute schema is missing")
        try make(schema: "rdo.coefficients/2")
        #expect(problem() == "the schema is rdo.coefficients/2")
        try make(keys: nil)
        #expect(problem() == "dataset /pairs/key is missing")
        try make(differences: nil)
        #expect(problem() == "dataset /pairs/difference is missing")
        try make(differences: [1, 2])
        #expect(problem() == "/pairs/difference has shape [2] but /pairs/key has 3 rows")
        try make(differences: [1, 2, .nan])
        #expect(problem() == "/pairs/difference[2] is nan")
        try make(reversed: [1, -.infinity, 3])
        #expect(problem() == "/pairs/difference_reversed[1] is -inf")
        try make(keys: [keys[0], keys[1], keys[0]])
        #expect(problem().hasPrefix("/pairs/key[0] and [2] are equal"))
        try make(keys: [keys[0], keys[1], keys[0]], differences: [1, 2, 1.0001])
        #expect(try CoefficientFile.read(path)[keys[0]]?.difference == 1)
        try make(keys: [])
        #expect(problem() == "/pairs/difference has shape [3] but /pairs/key has 0 rows")
        try Data("not HDF5".utf8).write(to: URL(fileURLWithPath: path))
        #expect(problem() == "not an HDF5 file")
    }

    @Test func summariesCount() throws {
        let scratch = try Scratch()
        try Sample.coefficients(scratch.file("c.h5"), pairs: 9)
        let summary = try ArtefactSummary(of: scratch.file("c.h5"), pairs: 2)
        let coefficients = try #require(summary.coefficients)
        // Differences are -1, -0.75, ..., 1; labels are +1 but for rows 3 (-0.25) and 7 (0.75).
        #expect(coefficients.quantiles.values.first?.value == -1 && coefficients.quantiles.values.last?.value == 1)
        #expect(coefficients.quantiles.values.first { $0.share == 0.25 }?.value == -0.5)
        #expect(coefficients.agreement == 4.0 / 9)
        #expect(coefficients.symmetricAgreement == 4.0 / 9)
        #expect(coefficients.meanPositionBias == 0.0625 && coefficients.meanDifference == 0)
        #expect(coefficients.largest.map(\.row) == [8, 7] && coefficients.smallest.map(\.row) == [0, 1])
        #expect(coefficients.largest[1].label == -1 && coefficients.largest[0].query == "query 8 梨")
        let absolute = try ArtefactSummary(of: scratch.file("c.h5"), pairs: 1, by: .absolute)
        #expect(absolute.coefficients?.smallest.map(\.row) == [4])
        #expect(
            summary.text().contains("query: query 8 梨") && summary.text().contains("agrees with label     0.444444"))
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let json = String(decoding: try encoder.encode(summary), as: UTF8.self)
        #expect(json.contains("\"meanPositionBias\":0.0625") && json.contains(#"{"difference":-0.5,"share":0.25}"#))

        try Sample.reference(scratch.file("r.h5"), count: 3)
        let reference = try #require(try ArtefactSummary(of: scratch.file("r.h5")).reference)
        #expect(reference.responses == 3 && reference.tokens == 9 && reference.meanLogprob == -2.0 / 3)
        #expect(abs((reference.meanLogprobPerToken ?? 0) + 2.0 / 9) < 1e-15)

        let path = try SavedRun.save(scratch.path, step: 7)
        let checkpoint = try ArtefactSummary(of: path)
        #expect(checkpoint.checkpoint?.parameterCount == 37 * 8 + 24 * 5 + 8 + 8)
        #expect(
            checkpoint.text().contains("model.norm.weight [8]") && checkpoint.text().contains("shard-00002-of-00003.h5")
        )
        #expect(try Artefacts.kind(of: path + "/shard-00002-of-00003.h5") == .shard)
        #expect(try Artefacts.kind(of: path + "/index.h5") == .checkpoint)
        #expect(try Artefacts.verify(path) == "checkpoint: step 7, 3 shards agree with their digests")
    }

    @Test func anEmptyFileHasASummary() throws {
        let scratch = try Scratch()
        try Sample.coefficients(scratch.file("c.h5"), pairs: 0)
        let summary = try ArtefactSummary(of: scratch.file("c.h5"), pairs: 3)
        #expect(summary.coefficients?.agreement == nil && summary.coefficients?.quantiles.values.isEmpty == true)
        #expect(throws: Never.self) { try JSONEncoder().encode(summary) }
    }
}
