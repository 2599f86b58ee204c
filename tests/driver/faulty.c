/* A Vulkan driver that forwards everything to another one, but for one call, whose Nth use fails with a chosen result, or
 * computes wrong.
 *
 * From the environment:
 *   FAULTY_DRIVER   the shared object of the driver to forward to
 *   FAULTY_CALL     vkQueueSubmit, vkWaitSemaphores or vkAllocateMemory: fails;
 *                   vkCmdDispatch: does nothing; flip: before a vkQueueSubmit a bit in memory is flipped
 *   FAULTY_AT       which use of it fails, the first being 1
 *   FAULTY_EVERY    instead: every so manyth use fails
 *   FAULTY_RESULT   the VkResult that it then gives. VK_SUCCESS (0) for work that is never done: a hang
 *   FAULTY_STAYS    1: all later uses fail as well; 0: they do not
 *   FAULTY_SIZE     of `flip`: the bit is in the middle word of the first buffer of so many bytes
 *   FAULTY_BIT      of `flip`: which bit of that word
 *   FAULTY_MARK     a file that is made when the fault is given
 *
 * No Vulkan headers are needed: all of its handles that are passed on here are pointers or 64-bit numbers.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void (*Function)(void);
typedef Function (*GetProcAddr)(void *object, const char *name);
typedef int32_t (*Negotiate)(uint32_t *version);
typedef int32_t (*Submit)(void *queue, uint32_t count, const void *submits, uint64_t fence);
typedef int32_t (*Wait)(void *device, const void *info, uint64_t timeout);
typedef int32_t (*Allocate)(void *device, const void *info, const void *callbacks, uint64_t *memory);

typedef void (*Dispatch)(void *commands, uint32_t x, uint32_t y, uint32_t z);
typedef int32_t (*Bind)(void *device, uint64_t buffer, uint64_t memory, uint64_t offset);
typedef int32_t (*Map)(void *device, uint64_t memory, uint64_t offset, uint64_t size, uint32_t flags, void **data);
/* The first members of VkBufferCreateInfo. */
typedef struct {
    int32_t type;
    const void *next;
    uint32_t flags;
    uint64_t size;
} BufferInfo;
typedef int32_t (*Create)(void *device, const BufferInfo *info, const void *callbacks, uint64_t *buffer);

static GetProcAddr real_device_proc;
static Submit real_submit;
static Wait real_wait;
static Allocate real_allocate;
static Dispatch real_dispatch;
static Create real_create;
static Bind real_bind;
static Map real_map;
static void *the_device;
static uint64_t target, target_memory, target_offset;
static atomic_int uses;

static const char *setting(const char *name) {
    const char *value = getenv(name);
    if (!value) {
        fprintf(stderr, "faulty driver: %s is not set\n", name);
        _exit(99);
    }
    return value;
}

/* Whether this use of `call` fails. */
static int fails(const char *call) {
    if (strcmp(call, setting("FAULTY_CALL"))) return 0;
    int use = atomic_fetch_add(&uses, 1) + 1;
    if (getenv("FAULTY_EVERY")) {
        if (use % atoi(setting("FAULTY_EVERY"))) return 0;
    } else {
        int at = atoi(setting("FAULTY_AT"));
        if (use != at && !(use > at && atoi(setting("FAULTY_STAYS")))) return 0;
    }
    close(open(setting("FAULTY_MARK"), O_CREAT | O_WRONLY, 0644));
    return 1;
}

static int32_t result(void) { return atoi(setting("FAULTY_RESULT")); }

static void flip(void) {
    uint64_t word = target_offset + strtoull(setting("FAULTY_SIZE"), NULL, 10) / 8 * 4;
    uint32_t *memory;
    if (!target_memory || real_map(the_device, target_memory, 0, (uint64_t)-1, 0, (void **)&memory)) _exit(98);
    memory[word / 4] ^= 1u << atoi(setting("FAULTY_BIT"));
}

static int32_t submit(void *queue, uint32_t count, const void *submits, uint64_t fence) {
    if (target_memory && fails("flip")) flip();
    return fails("vkQueueSubmit") ? result() : real_submit(queue, count, submits, fence);
}

static int32_t wait(void *device, const void *info, uint64_t timeout) {
    return fails("vkWaitSemaphores") ? result() : real_wait(device, info, timeout);
}

static int32_t allocate(void *device, const void *info, const void *callbacks, uint64_t *memory) {
    return fails("vkAllocateMemory") ? result() : real_allocate(device, info, callbacks, memory);
}

static void dispatch(void *commands, uint32_t x, uint32_t y, uint32_t z) {
    if (!fails("vkCmdDispatch")) real_dispatch(commands, x, y, z);
}

static int32_t create(void *device, const BufferInfo *info, const void *callbacks, uint64_t *buffer) {
    int32_t result = real_create(device, info, callbacks, buffer);
    const char *size = getenv("FAULTY_SIZE");
    if (!result && !target && size && info->size == strtoull(size, NULL, 10)) target = *buffer, the_device = device;
    return result;
}

static int32_t bind(void *device, uint64_t buffer, uint64_t memory, uint64_t offset) {
    if (buffer == target) target_memory = memory, target_offset = offset;
    return real_bind(device, buffer, memory, offset);
}

static Function device_proc(void *device, const char *name);

/* The function to use in place of the real one of this name. */
static Function replaced(const char *name, Function real) {
    if (!real) return real;
    if (!strcmp(name, "vkGetDeviceProcAddr")) return real_device_proc = (GetProcAddr)real, (Function)device_proc;
    if (!strcmp(name, "vkQueueSubmit")) return real_submit = (Submit)real, (Function)submit;
    if (!strcmp(name, "vkWaitSemaphores") || !strcmp(name, "vkWaitSemaphoresKHR"))
        return real_wait = (Wait)real, (Function)wait;
    if (!strcmp(name, "vkAllocateMemory")) return real_allocate = (Allocate)real, (Function)allocate;
    if (!strcmp(name, "vkCmdDispatch")) return real_dispatch = (Dispatch)real, (Function)dispatch;
    if (!strcmp(name, "vkCreateBuffer")) return real_create = (Create)real, (Function)create;
    if (!strcmp(name, "vkBindBufferMemory")) return real_bind = (Bind)real, (Function)bind;
    if (!strcmp(name, "vkMapMemory")) return real_map = (Map)real, real;
    return real;
}

static Function device_proc(void *device, const char *name) {
    return replaced(name, real_device_proc(device, name));
}

static void *symbol(const char *name) {
    static void *driver;
    if (!driver && !(driver = dlopen(setting("FAULTY_DRIVER"), RTLD_NOW | RTLD_LOCAL))) {
        fprintf(stderr, "faulty driver: %s\n", dlerror());
        _exit(99);
    }
    return dlsym(driver, name);
}

Function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
    return replaced(name, ((GetProcAddr)symbol("vk_icdGetInstanceProcAddr"))(instance, name));
}

Function vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
    GetProcAddr real = (GetProcAddr)symbol("vk_icdGetPhysicalDeviceProcAddr");
    return real ? real(instance, name) : NULL;
}

int32_t vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
    return ((Negotiate)symbol("vk_icdNegotiateLoaderICDInterfaceVersion"))(version);
}
