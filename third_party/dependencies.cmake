# SPDX-License-Identifier: MIT
# How each outside package is found; versions, licences and reasons are in third_party/README.md.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(VulkanHeaders 1.3.239 REQUIRED CONFIG)
find_path(VOLK_INCLUDE_DIR volk.h REQUIRED) # header and source in one; loads libvulkan at run time
find_program(GLSLANG glslangValidator REQUIRED)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson>=1.7.15)
pkg_check_modules(SNDFILE REQUIRED IMPORTED_TARGET sndfile>=1.2.0)
pkg_check_modules(SAMPLERATE REQUIRED IMPORTED_TARGET samplerate>=0.2.2)
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas>=0.3.21) # for the quantizer only
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75) # for stapes web only
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc>=2.6) # Debian's 2.8.0 calls itself 2.6.0

add_library(stapes_dependencies INTERFACE)
target_link_libraries(stapes_dependencies INTERFACE Vulkan::Headers PkgConfig::CJSON m
                      Threads::Threads
                      ${CMAKE_DL_LIBS})
target_include_directories(stapes_dependencies SYSTEM INTERFACE ${VOLK_INCLUDE_DIR})

# Sound files and resampling: for the command line only.
add_library(stapes_audio_dependencies INTERFACE)
target_link_libraries(stapes_audio_dependencies INTERFACE PkgConfig::SNDFILE PkgConfig::SAMPLERATE)
