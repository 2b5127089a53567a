#ifndef RDO_CXXHash_SHIM_H
#define RDO_CXXHash_SHIM_H
#include <xxhash.h>
#endif
