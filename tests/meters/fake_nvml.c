/* A libnvidia-ml.so.1 without a GPU, for tests: only what the meter calls is here.
 *
 * The energy counters run with the monotonic clock. What the machine is:
 *
 *   FAKE_NVML=          two GPUs, an H100 (300 W) and an A100 (100 W) whose driver is too old for
 *                       the power fields
 *   FAKE_NVML=mig       the same, the H100 divided into instances
 *   FAKE_NVML=superchip two GB200 on one module of 900 W; the counters count the module
 *   FAKE_NVML_INIT=9    return code of initialising the library
 *   FAKE_NVML_HANDLE=4  return code of asking for any GPU
 *   FAKE_NVML_FIELD=21  return code of every field value, while the call succeeds
 *   FAKE_NVML_LOST=0:2  from 2 s after initialising on, GPU 0 has fallen off the bus; ",1:3" adds
 *                       another
 *   FAKE_NVML_MOVING=1  the powers move by up to a watt, so that no two readings are the same
 *
 * Compiled with -DOLD_DRIVER it lacks what drivers before 470 lack.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int result;

enum { OK, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, LOST = 15 };

typedef struct {
    unsigned int fieldId, scopeId;
    long long timestamp, latencyUsec;
    int valueType;
    result nvmlReturn;
    union {
        double dVal;
        unsigned int uiVal;
        unsigned long long ullVal;
    } value;
} field_value;

typedef struct { unsigned int gpu, memory; } utilisation;
typedef struct { unsigned long long total, free, used; } memory_info;
typedef struct { unsigned int version, sensor; int temperature; } temperature_info;
typedef struct {
    unsigned int pid;
    unsigned long long used;
    unsigned int gpu_instance, compute_instance;
} process_info;
typedef struct {
    char bus_id_legacy[16];
    unsigned int domain, bus, device, pci_device, pci_subsystem;
    char bus_id[32];
} pci_info;

static double start_s;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

static int scene(const char *name)
{
    const char *said = getenv("FAKE_NVML");
    return said && strcmp(said, name) == 0;
}

static result code(const char *variable)
{
    const char *said = getenv(variable);
    return said ? atoi(said) : OK;
}

static long gpu(void *device) { return (long)(intptr_t)device - 1; }

static result gone(void *device)
{
    const char *said = getenv("FAKE_NVML_LOST");
    for (; said; said = strchr(said, ',') ? strchr(said, ',') + 1 : NULL) {
        long index = 0;
        double after_s = 0;
        if (sscanf(said, "%ld:%lf", &index, &after_s) == 2 && index == gpu(device) &&
            now_s() - start_s > after_s)
            return LOST;
    }
    return OK;
}

static unsigned int board_w(void *device)
{
    return scene("superchip") ? 300 + 50 * gpu(device) : gpu(device) ? 100 : 300;
}

static unsigned int counted_w(void *device) { return scene("superchip") ? 900 : board_w(device); }

static unsigned long long counter_mj(void *device)
{
    double steps_s = 0.02 * (unsigned long long)(now_s() / 0.02);
    return 1000 + (unsigned long long)(1e3 * counted_w(device) * steps_s);
}

result nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    start_s = now_s();
    return code("FAKE_NVML_INIT");
}

result nvmlShutdown(void) { return OK; }

const char *nvmlErrorString(result number) { (void)number; return "an error of the fake library"; }

result nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    snprintf(version, length, "580.0 (simulated)");
    return OK;
}

result nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return OK; }

result nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device)
{
    if (index > 1)
        return INVALID;
    *device = (void *)(intptr_t)(index + 1);
    return code("FAKE_NVML_HANDLE");
}

/* A MIG instance has a handle of its own, which knows nothing but its board. */
result nvmlDeviceGetHandleByUUID(const char *uuid, void **device)
{
    if (strcmp(uuid, "GPU-h100") == 0)
        *device = (void *)1;
    else if (strcmp(uuid, "GPU-a100") == 0)
        *device = (void *)2;
    else if (scene("mig") && strcmp(uuid, "MIG-1c") == 0)
        *device = (void *)100;
    else
        return NOT_FOUND;
    return OK;
}

result nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *instance, void **device)
{
    *device = (void *)1;
    return instance == (void *)100 ? OK : INVALID;
}

result nvmlDeviceGetIndex(void *device, unsigned int *index) { *index = gpu(device); return OK; }

result nvmlDeviceGetUUID(void *device, char *uuid, unsigned int length)
{
    snprintf(uuid, length, "GPU-%s", gpu(device) ? "a100" : "h100");
    return OK;
}

result nvmlDeviceGetName(void *device, char *name, unsigned int length)
{
    const char *boards[] = {"NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-40GB"};
    snprintf(name, length, "%s", scene("superchip") ? "NVIDIA GB200" : boards[gpu(device)]);
    return OK;
}

result nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor)
{
    *major = scene("superchip") ? 10 : gpu(device) ? 8 : 9;
    *minor = 0;
    return OK;
}

result nvmlDeviceGetPciInfo_v3(void *device, pci_info *info)
{
    snprintf(info->bus_id, sizeof info->bus_id, "%08lX:01:00.0", 8 + (gpu(device) & 1));
    return OK;
}

result nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules)
{
    *millijoules = counter_mj(device);
    return gone(device);
}

result nvmlDeviceGetPowerUsage(void *device, unsigned int *milliwatts)
{
    *milliwatts = 1000 * board_w(device) + 7;
    return gone(device);
}

result nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned int *milliwatts)
{
    *milliwatts = gpu(device) ? 400000 : 700000;
    return OK;
}

result nvmlDeviceGetTemperature(void *device, int sensor, unsigned int *celsius)
{
    *celsius = 40 + gpu(device);
    return sensor == 0 ? OK : INVALID;
}

result nvmlDeviceGetClockInfo(void *device, int clock, unsigned int *megahertz)
{
    (void)device;
    *megahertz = clock == 1 ? 1980 : 2619;
    return OK;
}

result nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons)
{
    (void)device;
    *reasons = 0x1 | 0x4 | 0x40;
    return OK;
}

result nvmlDeviceGetUtilizationRates(void *device, utilisation *rates)
{
    rates->gpu = gpu(device) ? 0 : 87;
    rates->memory = 12;
    return OK;
}

result nvmlDeviceGetMemoryInfo(void *device, memory_info *memory)
{
    (void)device;
    memory->total = 80ull << 30;
    memory->used = 3ull << 30;
    memory->free = memory->total - memory->used;
    return OK;
}

result nvmlDeviceGetPerformanceState(void *device, int *pstate)
{
    (void)device;
    *pstate = 2;
    return OK;
}

result nvmlDeviceGetComputeMode(void *device, int *mode) { (void)device; *mode = 0; return OK; }

result nvmlDeviceGetPersistenceMode(void *device, int *mode) { (void)device; *mode = 1; return OK; }

static result one_process(unsigned int *count, process_info *processes)
{
    const char *pid = getenv("FAKE_NVML_PID");
    int room = processes && *count >= 1;
    *count = 1;
    if (!room)
        return TOO_SMALL;
    processes[0] = (process_info){pid ? atoi(pid) : 1, 1ull << 30, -1, -1};
    return OK;
}

result nvmlDeviceGetComputeRunningProcesses_v2(void *device, unsigned int *count, process_info *all)
{
    if (gpu(device) == 0)
        return one_process(count, all);
    *count = 0;
    return OK;
}

result nvmlDeviceGetGraphicsRunningProcesses_v2(void *device, unsigned int *count,
                                                process_info *all)
{
    (void)device, (void)all;
    *count = 0;
    return OK;
}

#ifndef OLD_DRIVER

result nvmlDeviceGetArchitecture(void *device, unsigned int *architecture)
{
    *architecture = scene("superchip") ? 10 : gpu(device) ? 7 : 9;
    return OK;
}

result nvmlDeviceGetMigMode(void *device, unsigned int *current, unsigned int *pending)
{
    *current = *pending = scene("mig") && gpu(device) == 0;
    return OK;
}

result nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned int *count, process_info *all)
{
    return nvmlDeviceGetComputeRunningProcesses_v2(device, count, all);
}

result nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, unsigned int *count,
                                                process_info *all)
{
    return nvmlDeviceGetGraphicsRunningProcesses_v2(device, count, all);
}

result nvmlDeviceGetCurrentClocksEventReasons(void *device, unsigned long long *reasons)
{
    return nvmlDeviceGetCurrentClocksThrottleReasons(device, reasons);
}

result nvmlDeviceGetTemperatureV(void *device, temperature_info *info)
{
    info->temperature = 40 + gpu(device);
    return OK;
}

static double moving_mw(void)
{
    double ms = 1e3 * now_s();
    return getenv("FAKE_NVML_MOVING") ? ms - 1000 * (long long)(ms / 1000) : 0;
}

/* The value of a field in thousandths; 0 where it is not offered. */
static double field(void *device, unsigned int id, unsigned int scope)
{
    int superchip = scene("superchip");
    double average = id == 185 ? -10 : 0;
    if (id == 82)
        return gpu(device) ? 0 : 55;
    if (gpu(device) && !superchip)
        return 0; /* the driver of the A100 is too old */
    if (id == 83 && scope == 0)
        return counter_mj(device);
    if (id == 190 && scope == 1 && superchip)
        return 1e3 * 2900;
    if (id != 185 && id != 186)
        return 0;
    if (scope == 0)
        return 1e3 * (board_w(device) + average) + id + moving_mw();
    if (scope == 1 && superchip)
        return 1e3 * (900 + average);
    return scope == 2 && id == 185 ? 1e3 * 60 : 0;
}

result nvmlDeviceGetFieldValues(void *device, int count, field_value *values)
{
    if (gone(device) == LOST)
        return LOST;
    for (int i = 0; i < count; i++) {
        double value = field(device, values[i].fieldId, values[i].scopeId);
        values[i].nvmlReturn = value ? code("FAKE_NVML_FIELD") : NOT_SUPPORTED;
        values[i].valueType = 3;
        values[i].value.ullVal = (unsigned long long)value;
    }
    return OK;
}

#endif
