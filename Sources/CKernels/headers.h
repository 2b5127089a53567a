// Everything the bodies need from outside, included before an instruction set is switched on.
#include "include/CKernels.h"

#include <math.h>
#include <string.h>
