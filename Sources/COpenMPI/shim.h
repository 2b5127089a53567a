#ifndef RDO_COpenMPI_SHIM_H
#define RDO_COpenMPI_SHIM_H
#include <mpi.h>

/* Swift cannot import macros that expand to casts or to addresses: one accessor each. */

static inline MPI_Comm rdo_mpi_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Errhandler rdo_mpi_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline MPI_Request rdo_mpi_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Status *rdo_mpi_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline MPI_Status *rdo_mpi_statuses_ignore(void) { return MPI_STATUSES_IGNORE; }
static inline MPI_Info rdo_mpi_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Win rdo_mpi_win_null(void) { return MPI_WIN_NULL; }
static inline void *rdo_mpi_in_place(void) { return MPI_IN_PLACE; }

static inline MPI_Datatype rdo_mpi_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype rdo_mpi_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype rdo_mpi_float(void) { return MPI_FLOAT; }

static inline MPI_Op rdo_mpi_sum(void) { return MPI_SUM; }
static inline MPI_Op rdo_mpi_max(void) { return MPI_MAX; }

#endif
