#include "CPosternSys.h"
int cpostern_errno(void) { return errno; }
