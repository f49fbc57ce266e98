/* Exits with 0 when GStreamer can make every element that is named. */
#include <gst/gst.h>

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        GstElement *element = gst_element_factory_make(argv[i], NULL);
        if (element == NULL) {
            g_printerr("no element %s\n", argv[i]);
            return 1;
        }
        gst_object_unref(element);
    }
    return argc < 2;
}
