#ifndef RDO_CCURL_SHIM_H
#define RDO_CCURL_SHIM_H
// Its checks of arguments are macros around the variadic functions below.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

// Swift does not call variadic functions; each of these sets or reads one kind of option.
static inline CURLcode rdo_curl_set_number(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode rdo_curl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode rdo_curl_set_data(CURL *handle, CURLoption option, const void *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode rdo_curl_set_writer(CURL *handle, curl_write_callback writer) {
    return curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, writer);
}
static inline CURLcode rdo_curl_set_watcher(CURL *handle, curl_xferinfo_callback watcher) {
    return curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, watcher);
}
static inline long rdo_curl_status(CURL *handle) {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return status;
}
// Seconds, of a number or of a date; 0 without the header.
static inline curl_off_t rdo_curl_retry_after(CURL *handle) {
    curl_off_t seconds = 0;
    curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &seconds);
    return seconds;
}
static inline CURLcode rdo_curl_start(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }
#endif
