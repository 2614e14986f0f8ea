/* Writes event files. The few messages that are needed (Event, Summary, its Value,
 * Image, Metadata, Tensor) are put together by hand: no protobuf library is linked,
 * since libtorch brings its own symbols of one. Field numbers are those of
 * event.proto, summary.proto and tensor.proto. */
#include "visualization/tfevents.h"

#include <inttypes.h>
#include <string.h>

#include "base/checksum.h"
#include "base/status.h"
#include "mmengine/file.h"
#include "visualization/visualization.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SIMPLE = 2,
    VALUE_IMAGE = 4,
    VALUE_TENSOR = 8,
    VALUE_METADATA = 9,
    IMAGE_HEIGHT = 1,
    IMAGE_WIDTH = 2,
    IMAGE_COLORS = 3,
    IMAGE_DATA = 4,
    METADATA_PLUGIN = 1,
    PLUGIN_NAME = 1,
    TENSOR_DTYPE = 1,
    TENSOR_SHAPE = 2,
    TENSOR_STRING = 8,
    SHAPE_DIM = 2,
    DIM_SIZE = 1,
    DTYPE_STRING = 7
};

/* --- protocol buffers --- */

static void put_little(mmi_str *out, uint64_t number, int size)
{
    for (int i = 0; i < size; i++)
        mmi_str_add_char(out, (char)(unsigned char)(number >> (8 * i)));
}

static void put_varint(mmi_str *out, uint64_t number)
{
    while (number >= 0x80) {
        mmi_str_add_char(out, (char)(unsigned char)(number | 0x80));
        number >>= 7;
    }
    mmi_str_add_char(out, (char)(unsigned char)number);
}

static void put_key(mmi_str *out, int field, int wire)
{
    put_varint(out, (uint64_t)field << 3 | (uint64_t)wire);
}

static void put_int(mmi_str *out, int field, int64_t number)
{
    put_key(out, field, WIRE_VARINT);
    put_varint(out, (uint64_t)number);
}

static void put_f64(mmi_str *out, int field, double number)
{
    uint64_t bits = 0;

    memcpy(&bits, &number, sizeof bits);
    put_key(out, field, WIRE_64);
    put_little(out, bits, 8);
}

static void put_f32(mmi_str *out, int field, float number)
{
    uint32_t bits = 0;

    memcpy(&bits, &number, sizeof bits);
    put_key(out, field, WIRE_32);
    put_little(out, bits, 4);
}

static void put_bytes(mmi_str *out, int field, const char *data, size_t size)
{
    put_key(out, field, WIRE_BYTES);
    put_varint(out, size);
    mmi_str_add_n(out, data, size);
}

static void put_text(mmi_str *out, int field, const char *text)
{
    put_bytes(out, field, text, strlen(text));
}

/* Puts a message that is complete and empties it. */
static void put_message(mmi_str *out, int field, mmi_str *message)
{
    put_bytes(out, field, mmi_str_text(message), message->size);
    mmi_str_deinit(message);
}

/* --- records --- */

static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

static void add_record(mmi_tfevents *events, mmi_str *event)
{
    mmi_str length = {0};
    mmi_str *out = &events->pending;

    put_little(&length, event->size, 8);
    if (!mmi_is_pending()) {
        mmi_str_add_n(out, length.data, length.size);
        put_little(out, masked(mmi_crc32c(0, length.data, length.size)), 4);
        mmi_str_add_n(out, event->data, event->size);
        put_little(out, masked(mmi_crc32c(0, event->data, event->size)), 4);
    }
    mmi_str_deinit(&length);
    mmi_str_deinit(event);
}

/* A step of 0 is protobuf's default and left out, as the original's writer does. */
static void begin_event(mmi_str *event, int64_t step)
{
    put_f64(event, EVENT_WALL_TIME, (double)mmi_wall_ns() * 1e-9);
    if (step != 0)
        put_int(event, EVENT_STEP, step);
}

/* Takes `value`, a Summary.Value. */
static void add_value(mmi_tfevents *events, mmi_str *value, int64_t step)
{
    mmi_str event = {0}, summary = {0};

    put_message(&summary, SUMMARY_VALUE, value);
    begin_event(&event, step);
    put_message(&event, EVENT_SUMMARY, &summary);
    add_record(events, &event);
}

void mmi_tfevents_add_scalar(mmi_tfevents *events, const char *tag, double value,
                             int64_t step)
{
    mmi_str message = {0};

    put_text(&message, VALUE_TAG, tag);
    put_f32(&message, VALUE_SIMPLE, (float)value);
    add_value(events, &message, step);
}

void mmi_tfevents_add_text(mmi_tfevents *events, const char *tag, const char *text,
                           int64_t step)
{
    mmi_str message = {0}, tensor = {0}, shape = {0}, dim = {0};
    mmi_str metadata = {0}, plugin = {0};

    put_text(&plugin, PLUGIN_NAME, "text");
    put_message(&metadata, METADATA_PLUGIN, &plugin);
    put_int(&dim, DIM_SIZE, 1);
    put_message(&shape, SHAPE_DIM, &dim);
    put_int(&tensor, TENSOR_DTYPE, DTYPE_STRING);
    put_message(&tensor, TENSOR_SHAPE, &shape);
    put_text(&tensor, TENSOR_STRING, text);
    put_key(&message, VALUE_TAG, WIRE_BYTES);
    put_varint(&message, strlen(tag) + strlen("/text_summary"));
    mmi_str_addf(&message, "%s/text_summary", tag);
    put_message(&message, VALUE_TENSOR, &tensor);
    put_message(&message, VALUE_METADATA, &metadata);
    add_value(events, &message, step);
}

void mmi_tfevents_add_image(mmi_tfevents *events, const char *tag,
                            const mm_image *image, int64_t step)
{
    mmi_str message = {0}, picture = {0}, png = {0};

    if (mmi_image_to_png(image, &png) == MM_OK) {
        put_int(&picture, IMAGE_HEIGHT, image->height);
        put_int(&picture, IMAGE_WIDTH, image->width);
        put_int(&picture, IMAGE_COLORS, image->channels);
        put_message(&picture, IMAGE_DATA, &png);
        put_text(&message, VALUE_TAG, tag);
        put_message(&message, VALUE_IMAGE, &picture);
        add_value(events, &message, step);
    }
    mmi_str_deinit(&png);
}

/* --- files --- */

/* The first name that is free: runs may share a folder, a second and a process. */
static mm_status make_file(mmi_tfevents *events, const char *dir)
{
    char host[256];

    mmi_os_host_name(host, sizeof host);
    for (int n = 0;; n++) {
        events->path =
            mm_strfmt("%s/events.out.tfevents.%010" PRId64 ".%s.%" PRId64 ".%d", dir,
                      mmi_wall_ns() / 1000000000, host, mmi_os_pid(), n);
        if (events->path == NULL || !mm_file_exists(events->path))
            break;
        mm_free(events->path);
    }
    return events->path == NULL
               ? mm_pending()
               : mmi_file_open(&events->file, events->path, MMI_OPEN_APPEND);
}

mm_status mmi_tfevents_open(mmi_tfevents *events, const char *dir)
{
    mmi_str event = {0};

    *events = (mmi_tfevents){.file = MMI_NO_FILE};
    if (make_file(events, dir) < 0)
        return mm_pending();
    begin_event(&event, 0);
    put_text(&event, EVENT_FILE_VERSION, "brain.Event:2");
    add_record(events, &event);
    return mmi_tfevents_write(events);
}

mm_status mmi_tfevents_write(mmi_tfevents *events)
{
    if (!mmi_is_pending() && events->pending.size > 0 &&
        mmi_file_append(&events->file, events->pending.data, events->pending.size) < 0)
        mm_error_frame("while writing events to '%s'", events->path);
    mmi_str_clear(&events->pending);
    return mm_pending();
}

mm_status mmi_tfevents_close(mmi_tfevents *events)
{
    if (mmi_file_is_open(&events->file)) {
        if (!mmi_is_pending())
            (void)mmi_file_sync(&events->file);
        (void)mmi_file_close(&events->file);
    }
    mmi_str_deinit(&events->pending);
    mm_free(events->path);
    events->path = NULL;
    return mm_pending();
}
