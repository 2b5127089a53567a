#ifndef RDO_CHDF5_SHIM_H
#define RDO_CHDF5_SHIM_H
#include <hdf5.h>

// Swift imports neither macros that call functions nor macros with casts; each accessor returns one of them.
static inline unsigned rdo_h5_read_only(void) { return H5F_ACC_RDONLY; }
static inline unsigned rdo_h5_read_write(void) { return H5F_ACC_RDWR; }
static inline unsigned rdo_h5_exclusive(void) { return H5F_ACC_EXCL; }

static inline hid_t rdo_h5_default(void) { return H5P_DEFAULT; }
static inline hid_t rdo_h5_all(void) { return H5S_ALL; }
static inline hid_t rdo_h5_file_create(void) { return H5P_FILE_CREATE; }
static inline hid_t rdo_h5_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t rdo_h5_group_create(void) { return H5P_GROUP_CREATE; }
static inline hid_t rdo_h5_dataset_create(void) { return H5P_DATASET_CREATE; }
static inline hid_t rdo_h5_error_stack(void) { return H5E_DEFAULT; }

static inline hid_t rdo_h5_native_f32(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t rdo_h5_native_f64(void) { return H5T_NATIVE_DOUBLE; }
static inline hid_t rdo_h5_native_i8(void) { return H5T_NATIVE_INT8; }
static inline hid_t rdo_h5_native_i32(void) { return H5T_NATIVE_INT32; }
static inline hid_t rdo_h5_native_i64(void) { return H5T_NATIVE_INT64; }
static inline hid_t rdo_h5_native_u8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t rdo_h5_native_u64(void) { return H5T_NATIVE_UINT64; }
static inline hid_t rdo_h5_file_f32(void) { return H5T_IEEE_F32LE; }
static inline hid_t rdo_h5_file_f64(void) { return H5T_IEEE_F64LE; }
static inline hid_t rdo_h5_file_i8(void) { return H5T_STD_I8LE; }
static inline hid_t rdo_h5_file_i32(void) { return H5T_STD_I32LE; }
static inline hid_t rdo_h5_file_i64(void) { return H5T_STD_I64LE; }
static inline hid_t rdo_h5_file_u8(void) { return H5T_STD_U8LE; }
static inline hid_t rdo_h5_file_u64(void) { return H5T_STD_U64LE; }
static inline hid_t rdo_h5_c_string(void) { return H5T_C_S1; }
static inline size_t rdo_h5_variable(void) { return H5T_VARIABLE; }

// File systems without locks (some Lustre and NFS mounts) must not make every open fail.
static inline herr_t rdo_h5_tolerate_missing_locks(hid_t access) {
#if H5_VERSION_GE(1, 10, 7)
    return H5Pset_file_locking(access, 1, 1);
#else
    (void)access;
    return 0;
#endif
}
#endif
