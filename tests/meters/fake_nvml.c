/* A libnvidia-ml.so.1 with two GPUs, an H100 and an A100, for tests without a GPU.
 *
 * Only what the meter calls is here. The energy counters run with the monotonic clock at 300 W and
 * 100 W. FAKE_NVML_INIT, if set, is the return code of initialising the library.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int result;

typedef struct {
    unsigned int fieldId, scopeId;
    long long timestamp, latencyUsec;
    int valueType;
    result nvmlReturn;
    union {
        double dVal;
        unsigned int uiVal;
        unsigned long ulVal;
        unsigned long long ullVal;
        long long sllVal;
    } value;
} field_value;

static const unsigned int watts[] = {300, 100};

static long gpu(void *device) { return (long)(intptr_t)device - 1; }

result nvmlInitWithFlags(unsigned int flags)
{
    const char *code = getenv("FAKE_NVML_INIT");
    (void)flags;
    return code ? atoi(code) : 0;
}

result nvmlShutdown(void) { return 0; }

const char *nvmlErrorString(result code) { (void)code; return "an error of the fake library"; }

result nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return 0; }

result nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device)
{
    if (index > 1)
        return 2;
    *device = (void *)(intptr_t)(index + 1);
    return 0;
}

result nvmlDeviceGetHandleByUUID(const char *uuid, void **device)
{
    if (strcmp(uuid, "GPU-a100") != 0)
        return 6;
    *device = (void *)(intptr_t)2;
    return 0;
}

result nvmlDeviceGetIndex(void *device, unsigned int *index) { *index = gpu(device); return 0; }

result nvmlDeviceGetName(void *device, char *name, unsigned int length)
{
    snprintf(name, length, "NVIDIA %s", gpu(device) ? "A100-SXM4-40GB" : "H100 80GB HBM3");
    return 0;
}

result nvmlDeviceGetArchitecture(void *device, unsigned int *architecture)
{
    *architecture = gpu(device) ? 7 : 9;
    return 0;
}

result nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor)
{
    *major = gpu(device) ? 8 : 9;
    *minor = 0;
    return 0;
}

result nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *millijoules = 1000 + (unsigned long long)(watts[gpu(device)] *
                                               (1e3 * now.tv_sec + 1e-6 * now.tv_nsec));
    return 0;
}

result nvmlDeviceGetPowerUsage(void *device, unsigned int *milliwatts)
{
    *milliwatts = 1000 * watts[gpu(device)] + 7;
    return 0;
}

/* The A100's driver here is too old for the power fields: the call succeeds, the field fails. */
result nvmlDeviceGetFieldValues(void *device, int count, field_value *values)
{
    for (int i = 0; i < count; i++) {
        values[i].nvmlReturn = gpu(device) ? 3 : 0;
        values[i].valueType = 1;
        values[i].value.uiVal = 1000 * watts[gpu(device)] + values[i].fieldId;
    }
    return 0;
}
