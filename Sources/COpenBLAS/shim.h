#ifndef RDO_COPENBLAS_SHIM_H
#define RDO_COPENBLAS_SHIM_H
#include <cblas.h>
#endif
