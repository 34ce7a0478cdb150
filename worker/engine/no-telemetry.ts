// Imported before onnxruntime. Since 1.29 its official builds for Linux and macOS tell their maker about every session
// (graph and file names, hardware, timings) and keep a device id in the home folder, unless this is set before the library
// starts. A node speaks to its cluster only. Native code sees what the main thread sets, so whoever starts engine threads
// imports this too.
process.env.ORT_DISABLE_TELEMETRY = '1'
