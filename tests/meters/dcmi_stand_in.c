/* A module for OpenIPMI's ipmi_sim that stands in for a service processor's power measurement.

   The simulator itself has no DCMI. This answers every command of that group as "Get Power Reading"
   is answered, with the figures of a text file that is read anew each time:
   reading, minimum, maximum, average, W; period, ms; state; completion code. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DCMI_GROUP 0xdc

/* Of OpenIPMI/mcserv.h, as far as it is needed: what it points to stays opaque here. */
typedef void (*handler_f)(void *mc, void *msg, unsigned char *rdata, unsigned int *rdata_len,
                          void *cb_data);
void ipmi_emu_register_group_extension_handler(uint8_t group_extension, handler_f handler,
                                               void *cb_data);
int ipmi_sim_module_print_version(void *sys, char *options);
int ipmi_sim_module_init(void *sys, const char *options);

static char path[512];

static void put16(unsigned char *at, unsigned value)
{
    at[0] = value & 0xff;
    at[1] = value >> 8;
}

static void answer(void *mc, void *msg, unsigned char *rdata, unsigned int *rdata_len,
                   void *cb_data)
{
    unsigned now = 0, lowest = 0, highest = 0, mean = 0, period_ms = 0, state = 0, code = 0xff;
    FILE *file = fopen(path, "r");

    (void)mc;
    (void)msg;
    (void)cb_data;
    if (file) {
        if (fscanf(file, "%u %u %u %u %u %u %u", &now, &lowest, &highest, &mean, &period_ms,
                   &state, &code) != 7)
            code = 0xff;
        fclose(file);
    }
    memset(rdata, 0, 19);
    rdata[0] = code;
    rdata[1] = DCMI_GROUP;
    put16(rdata + 2, now);
    put16(rdata + 4, lowest);
    put16(rdata + 6, highest);
    put16(rdata + 8, mean);
    put16(rdata + 14, period_ms & 0xffff);
    put16(rdata + 16, period_ms >> 16);
    rdata[18] = state;
    *rdata_len = code ? 1 : 19;
}

int ipmi_sim_module_print_version(void *sys, char *options)
{
    (void)sys;
    (void)options;
    return 0;
}

int ipmi_sim_module_init(void *sys, const char *options)
{
    (void)sys;
    snprintf(path, sizeof path, "%s", options);
    ipmi_emu_register_group_extension_handler(DCMI_GROUP, answer, NULL);
    return 0;
}
