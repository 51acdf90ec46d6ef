# SPDX-License-Identifier: MIT
# All that a server needs, in BUILD/web/site: the page, the package, the demo model in shards, and
# recordings to try.
find_program(NODE NAMES node nodejs)
if(NOT NODE)
  message(STATUS "Node is not there: the page is left out")
  return()
endif()
set(site ${PROJECT_BINARY_DIR}/web/site)

# stapes_copy(OUTPUTS DIRECTORY FILE...): copies files when they change.
function(stapes_copy outputs directory)
  set(copies)
  foreach(file IN LISTS ARGN)
    get_filename_component(name ${file} NAME)
    add_custom_command(
      OUTPUT ${directory}/${name}
      COMMAND ${CMAKE_COMMAND} -E copy ${file} ${directory}/${name}
      DEPENDS ${file} VERBATIM)
    list(APPEND copies ${directory}/${name})
  endforeach()
  set(${outputs} ${${outputs}} ${copies} PARENT_SCOPE)
endfunction()

file(GLOB page_files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/page/*)
set(recordings ${PROJECT_SOURCE_DIR}/tools/demo/recordings)
set(site_files)
stapes_copy(site_files ${site} ${page_files})
stapes_copy(site_files ${site}/package ${package}/stapes.wasm ${copies})
stapes_copy(site_files ${site}/samples ${recordings}/000.flac ${recordings}/014.flac
            ${recordings}/021.flac)
# Shards so small that there are several.
set(checkpoint ${PROJECT_SOURCE_DIR}/tools/demo/checkpoint)
file(GLOB checkpoint_files CONFIGURE_DEPENDS ${checkpoint}/*)
add_custom_command(
  OUTPUT ${site}/model/manifest.json
  COMMAND stapes quantize --quiet ${checkpoint} -o demo.gguf --type q8_0
  COMMAND ${NODE} ${CMAKE_CURRENT_SOURCE_DIR}/shard.mjs --mib 1 demo.gguf ${site}/model
  DEPENDS stapes shard.mjs ${checkpoint_files}
  COMMENT "Cutting the demo model into shards"
  VERBATIM)
add_custom_target(stapes_site ALL DEPENDS ${site_files} ${site}/model/manifest.json)
install(DIRECTORY ${site}/ DESTINATION ${CMAKE_INSTALL_DATADIR}/stapes/web)
