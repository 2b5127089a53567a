#include "CSentencePiece.h"

#include <sentencepiece_processor.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

struct SentencePieceModel {
    sentencepiece::SentencePieceProcessor processor;
};

namespace {

/// Runs `body`, which returns a Status, and turns whatever it reports or throws into a message.
template <typename Body>
char *message_of(Body body) {
    try {
        const auto status = body();
        return status.ok() ? nullptr : strdup(status.ToString().c_str());
    } catch (const std::exception &error) {
        return strdup(error.what());
    } catch (...) {
        return strdup("unknown error");
    }
}

/// A copy of `count` elements that free() takes; throws when memory is short.
template <typename Element>
Element *copy(const Element *elements, size_t count) {
    auto *memory = static_cast<Element *>(std::malloc(count * sizeof(Element) + 1));
    if (memory == nullptr) throw std::bad_alloc();
    if (count > 0) std::memcpy(memory, elements, count * sizeof(Element));
    return memory;
}

}  // namespace

char *sentencepiece_load(const void *bytes, size_t size, SentencePieceModel **model) {
    *model = nullptr;
    SentencePieceModel *loaded = nullptr;
    char *message = message_of([&] {
        loaded = new SentencePieceModel;
        return loaded->processor.LoadFromSerializedProto({static_cast<const char *>(bytes), size});
    });
    if (message == nullptr) {
        *model = loaded;
    } else {
        delete loaded;
    }
    return message;
}

void sentencepiece_free(SentencePieceModel *model) { delete model; }

char *sentencepiece_encode(
    const SentencePieceModel *model, const char *text, size_t length, int32_t **ids, size_t *count) {
    *ids = nullptr;
    *count = 0;
    return message_of([&] {
        std::vector<int> found;
        const auto status = model->processor.Encode({text, length}, &found);
        if (status.ok()) {
            *ids = copy(found.data(), found.size());
            *count = found.size();
        }
        return status;
    });
}

char *sentencepiece_decode(
    const SentencePieceModel *model, const int32_t *ids, size_t count, char **text, size_t *length) {
    *text = nullptr;
    *length = 0;
    return message_of([&] {
        std::string found;
        const auto status = model->processor.Decode(std::vector<int>(ids, ids + count), &found);
        if (status.ok()) {
            *text = copy(found.data(), found.size());
            *length = found.size();
        }
        return status;
    });
}

int32_t sentencepiece_piece_count(const SentencePieceModel *model) { return model->processor.GetPieceSize(); }

int32_t sentencepiece_bos_id(const SentencePieceModel *model) { return model->processor.bos_id(); }

int32_t sentencepiece_piece_id(const SentencePieceModel *model, const char *piece, size_t length) {
    // PieceToId answers with the unknown piece's id when there is no such piece.
    const int id = model->processor.PieceToId({piece, length});
    const bool is_known = id >= 0 && id < model->processor.GetPieceSize() &&
        model->processor.IdToPiece(id) == std::string(piece, length);
    return is_known ? id : -1;
}

void sentencepiece_release(void *memory) { std::free(memory); }
