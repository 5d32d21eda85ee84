/* A libamd_smi.so without a GPU, for tests: two MI300X of 300 W and 140 W, in SPX.
 *
 * Structures are those of amdsmi.h of AMD SMI 7.0; functions that the meter does not call are added
 * by the test and answer "not supported". FAKE_AMDSMI_INIT is the status of initialising,
 * FAKE_AMDSMI_READ that of energy and power.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef uint32_t status;

enum { OK, INVALID = 1, NOT_SUPPORTED = 2 };

#define TEXT 256
#define RESOLUTION_UJ 15.3f

typedef struct {
    uint64_t socket_power;
    uint32_t current_socket_power, average_socket_power;
    uint64_t gfx_voltage, soc_voltage, mem_voltage;
    uint32_t power_limit;
    uint64_t reserved[18];
} power_info;

typedef struct {
    uint64_t power_cap, default_power_cap, dpm_cap, min_power_cap, max_power_cap, reserved[3];
} power_cap_info;

typedef struct {
    char market_name[TEXT];
    uint32_t vendor_id;
    char vendor_name[TEXT];
    uint32_t subvendor_id;
    uint64_t device_id;
    uint32_t rev_id;
    char asic_serial[TEXT];
    uint32_t oam_id, num_of_compute_units;
    uint64_t target_graphics_version;
    uint32_t subsystem_id, reserved[21];
} asic_info;

typedef struct {
    uint32_t drm_render, drm_card, hsa_id, hip_id;
    char hip_uuid[TEXT];
} enumeration_info;

typedef struct { char version[TEXT], date[TEXT], name[TEXT]; } driver_info;

typedef struct { uint32_t total, used, reserved[2]; } vram_usage;

typedef struct {
    char name[TEXT];
    uint32_t pid;
    uint64_t mem;
    struct { uint64_t gfx, enc; uint32_t reserved[12]; } engine;
    struct { uint64_t gtt, cpu, vram; uint32_t reserved[10]; } memory;
    char container_name[TEXT];
    uint32_t cu_occupancy, reserved[11];
} process_info;

/* The beginning of amdsmi_gpu_metrics_t; the rest is left at "not supported". */
typedef struct {
    uint16_t size;
    uint8_t format, content;
    uint16_t temperature_edge, temperature_hotspot, temperature_mem, temperature_vr[3];
    uint16_t average_gfx_activity, average_umc_activity, average_mm_activity;
    uint16_t average_socket_power;
    uint64_t energy_accumulator, system_clock_counter;
    uint16_t average_clocks[7], current_gfxclk, current_socclk, current_uclk;
} metrics_begin;

static long gpu(void *device) { return (long)(intptr_t)device - 1; }

static uint32_t board_w(void *device) { return gpu(device) ? 140 : 300; }

static status code(const char *variable)
{
    const char *said = getenv(variable);
    return said ? (status)strtoul(said, NULL, 10) : OK;
}

status amdsmi_init(uint64_t flags) { (void)flags; return code("FAKE_AMDSMI_INIT"); }

status amdsmi_shut_down(void) { return OK; }

status amdsmi_get_socket_handles(uint32_t *count, void **sockets)
{
    for (long n = 0; sockets && n < 2; n++)
        sockets[n] = (void *)(intptr_t)(n + 1);
    *count = 2;
    return OK;
}

status amdsmi_get_processor_handles(void *socket, uint32_t *count, void **processors)
{
    if (processors)
        processors[0] = socket;
    *count = 1;
    return OK;
}

status amdsmi_get_energy_count(void *device, uint64_t *steps, float *resolution, uint64_t *stamp)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds = now.tv_sec + 1e-9 * now.tv_nsec;
    *steps = (uint64_t)(seconds * board_w(device) * 1e6 / RESOLUTION_UJ);
    *resolution = RESOLUTION_UJ;
    *stamp = (uint64_t)(1e9 * seconds);
    return code("FAKE_AMDSMI_READ");
}

status amdsmi_get_power_info(void *device, power_info *info)
{
    memset(info, 0, sizeof *info);
    info->socket_power = info->current_socket_power = board_w(device);
    info->average_socket_power = 0xFFFF;
    info->gfx_voltage = info->soc_voltage = info->mem_voltage = 0xFFFF;
    return code("FAKE_AMDSMI_READ");
}

status amdsmi_get_power_cap_info(void *device, uint32_t sensor, power_cap_info *info)
{
    (void)device;
    memset(info, 0, sizeof *info);
    info->power_cap = info->max_power_cap = 750000000;
    return sensor == 0 ? OK : INVALID;
}

status amdsmi_get_gpu_asic_info(void *device, asic_info *info)
{
    memset(info, 0, sizeof *info);
    strcpy(info->market_name, "AMD Instinct MI300X");
    strcpy(info->vendor_name, "Advanced Micro Devices Inc. [AMD/ATI]");
    snprintf(info->asic_serial, TEXT, "0x%X", 31 + (unsigned)gpu(device));
    info->vendor_id = 0x1002;
    info->device_id = 0x74a1;
    return OK;
}

status amdsmi_get_gpu_enumeration_info(void *device, enumeration_info *info)
{
    memset(info, 0, sizeof *info);
    info->hip_id = (uint32_t)gpu(device);
    snprintf(info->hip_uuid, TEXT, "GPU-%u", (unsigned)gpu(device));
    return OK;
}

status amdsmi_get_gpu_driver_info(void *device, driver_info *info)
{
    (void)device;
    memset(info, 0, sizeof *info);
    strcpy(info->version, "6.14.5 (simulated)");
    return OK;
}

status amdsmi_get_gpu_device_uuid(void *device, uint32_t *length, char *uuid)
{
    snprintf(uuid, *length, "uuid-%u", (unsigned)gpu(device));
    return OK;
}

status amdsmi_get_gpu_device_bdf(void *device, uint64_t *bdf)
{
    *bdf = (uint64_t)(0xC1 + gpu(device)) << 8;
    return OK;
}

status amdsmi_get_gpu_compute_partition(void *device, char *partition, uint32_t length)
{
    (void)device;
    snprintf(partition, length, "SPX");
    return OK;
}

status amdsmi_get_gpu_vram_usage(void *device, vram_usage *usage)
{
    (void)device;
    usage->total = 196592;
    usage->used = 2048;
    return OK;
}

status amdsmi_get_gpu_process_list(void *device, uint32_t *count, process_info *processes)
{
    *count = gpu(device) ? 0 : 1;
    if (*count) {
        memset(processes, 0, sizeof *processes);
        strcpy(processes->name, "/usr/bin/python3");
        processes->pid = 41;
        processes->memory.vram = 1ull << 30;
    }
    return OK;
}

status amdsmi_get_gpu_metrics_info(void *device, void *metrics)
{
    metrics_begin *info = metrics;
    memset(metrics, 0xFF, 1024);
    info->temperature_hotspot = 52 + gpu(device);
    info->average_gfx_activity = 87;
    info->current_gfxclk = 2100;
    info->current_uclk = 1300;
    return OK;
}
