#ifndef RDO_COpenMPI_SHIM_H
#define RDO_COpenMPI_SHIM_H
#include <mpi.h>
#endif
