/* Reads what snarmdetect attaches to each frame, with GStreamer's own headers alone.
 *
 *   cc read_meta.c -o read_meta $(pkg-config --cflags --libs gstreamer-app-1.0 gstreamer-video-1.0)
 *   ./read_meta 'v4l2src ! videoconvert ! snarmdetect bank-location=part.bank ! appsink name=sink'
 *
 * Prints the same lines as read_meta.py, one a frame.
 */
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

static double number(const GstStructure *fields, const char *name)
{
    double value = 0.0;
    gst_structure_get_double(fields, name, &value);
    return value;
}

static void print_regions(const GstStructure *fields)
{
    const GValue *regions = gst_structure_get_value(fields, "regions");
    for (guint i = 0; regions != NULL && i < gst_value_array_get_size(regions); i++) {
        const GstStructure *region = gst_value_get_structure(gst_value_array_get_value(regions, i));
        guint id = 0;
        gst_structure_get_uint(region, "id", &id);
        g_print("%s{\"id\": %u, \"x\": %.17g, \"y\": %.17g, \"w\": %.17g, \"h\": %.17g, \"score\": %.17g}",
                i > 0 ? ", " : "", id, number(region, "x"), number(region, "y"), number(region, "w"),
                number(region, "h"), number(region, "score"));
    }
}

/* 8 bits a pixel, in rows of `stride` bytes; 255 is a score of 1. */
static void print_map(GstBuffer *map)
{
    GstVideoMeta *layout = gst_buffer_get_video_meta(map);
    GstMapInfo pixels;
    if (layout == NULL || !gst_buffer_map(map, &pixels, GST_MAP_READ))
        return;
    guint peak = 0;
    for (gsize i = 0; i < pixels.size; i++)
        peak = MAX(peak, pixels.data[i]);
    g_print(", \"map\": {\"width\": %u, \"height\": %u, \"peak\": %u}", layout->width, layout->height, peak);
    gst_buffer_unmap(map, &pixels);
}

static void print_frame(GstBuffer *buffer)
{
    GstCustomMeta *meta = gst_buffer_get_custom_meta(buffer, "SnarmAnomalyMeta");
    if (meta == NULL) { /* no snarmdetect has seen this frame */
        g_print("null\n");
        return;
    }
    const GstStructure *fields = gst_custom_meta_get_structure(meta);
    guint64 frame = 0;
    gboolean analysed = FALSE;
    GstBuffer *map = NULL;
    gst_structure_get_uint64(fields, "frame-number", &frame);
    gst_structure_get_boolean(fields, "analysed", &analysed);
    g_print("{\"frame-number\": %" G_GUINT64_FORMAT ", \"analysed\": %s, \"score\": %.17g, \"threshold\": %.17g, "
            "\"verdict\": \"%s\", \"area\": %.17g, \"regions\": [",
            frame, analysed ? "true" : "false", number(fields, "score"), number(fields, "threshold"),
            gst_structure_get_string(fields, "verdict"), number(fields, "area"));
    print_regions(fields);
    g_print("]");
    if (gst_structure_get(fields, "map", GST_TYPE_BUFFER, &map, NULL)) {
        print_map(map);
        gst_buffer_unref(map);
    }
    g_print("}\n");
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    GError *error = NULL;
    GstElement *pipeline = argc == 2 ? gst_parse_launch(argv[1], &error) : NULL;
    if (pipeline == NULL || error != NULL) {
        g_printerr("%s\n", error != NULL ? error->message : "expected one pipeline with an appsink of the name sink");
        return 1;
    }
    GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    for (GstSample *sample; (sample = gst_app_sink_pull_sample(GST_APP_SINK(sink))) != NULL;) {
        print_frame(gst_sample_get_buffer(sample));
        gst_sample_unref(sample);
    }
    GstBus *bus = gst_element_get_bus(pipeline);
    GstMessage *failed = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    if (failed != NULL) {
        gst_message_parse_error(failed, &error, NULL);
        g_printerr("%s\n", error->message);
    }
    gst_object_unref(bus);
    gst_object_unref(sink);
    gst_object_unref(pipeline);
    return failed != NULL;
}
