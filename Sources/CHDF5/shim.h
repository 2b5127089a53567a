#ifndef RDO_CHDF5_SHIM_H
#define RDO_CHDF5_SHIM_H
#include <hdf5.h>
#endif
