#ifndef RDO_CSENTENCEPIECE_H
#define RDO_CSENTENCEPIECE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A loaded model. All functions that take it const may be called from several threads.
typedef struct SentencePieceModel SentencePieceModel;

// Functions that can fail return NULL on success, or else a message to be given to sentencepiece_release.
// No C++ exception leaves them.

/// Loads a model from the `size` bytes of a tokenizer.model; `*model` is for sentencepiece_free, NULL on failure.
char *_Nullable sentencepiece_load(
    const void *_Nullable bytes, size_t size, SentencePieceModel *_Nullable *_Nonnull model);
void sentencepiece_free(SentencePieceModel *_Nonnull model);

/// The ids of `length` bytes of UTF-8; `*ids` is for sentencepiece_release.
char *_Nullable sentencepiece_encode(
    const SentencePieceModel *_Nonnull model, const char *_Nullable text, size_t length,
    int32_t *_Nullable *_Nonnull ids, size_t *_Nonnull count);
/// The text of `count` ids, each below sentencepiece_piece_count; `*text` is for sentencepiece_release, not terminated.
char *_Nullable sentencepiece_decode(
    const SentencePieceModel *_Nonnull model, const int32_t *_Nullable ids, size_t count,
    char *_Nullable *_Nonnull text, size_t *_Nonnull length);

int32_t sentencepiece_piece_count(const SentencePieceModel *_Nonnull model);
/// -1 when the model has none.
int32_t sentencepiece_bos_id(const SentencePieceModel *_Nonnull model);
/// -1 when no piece is spelled so.
int32_t sentencepiece_piece_id(const SentencePieceModel *_Nonnull model, const char *_Nullable piece, size_t length);

void sentencepiece_release(void *_Nullable memory);

#ifdef __cplusplus
}
#endif
#endif
