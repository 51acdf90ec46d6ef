# SPDX-License-Identifier: MIT
include(CMakePackageConfigHelpers)

install(TARGETS stapes RUNTIME)
install(TARGETS stapes_shared EXPORT stapesTargets LIBRARY)
install(FILES ${PROJECT_SOURCE_DIR}/stream/stapes.h TYPE INCLUDE)
install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/demo.gguf DESTINATION ${CMAKE_INSTALL_DATADIR}/stapes)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/stapes.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME stapes)
install(FILES ${CMAKE_CURRENT_SOURCE_DIR}/example.c ${PROJECT_SOURCE_DIR}/README.md
              ${PROJECT_SOURCE_DIR}/LICENSE
        TYPE DOC)

# Relative paths, so that the tree can be moved.
file(RELATIVE_PATH pc_to_include ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
     ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(packaging/stapes.pc.in stapes.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/stapes.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/stapes)
configure_package_config_file(packaging/stapesConfig.cmake.in stapesConfig.cmake
                              INSTALL_DESTINATION ${package_directory})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/stapesConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(EXPORT stapesTargets NAMESPACE stapes:: DESTINATION ${package_directory})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/stapesConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/stapesConfigVersion.cmake
        DESTINATION ${package_directory})
