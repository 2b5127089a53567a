#ifndef RDO_CZlib_SHIM_H
#define RDO_CZlib_SHIM_H
#include <zlib.h>
#endif
