"""Sphinx configuration of Perilune's manual."""

project = 'Perilune'
copyright = 'the Perilune authors'
html_theme = 'alabaster'
html_theme_options = {'description': 'A database proxy programmed in Lua'}
html_show_sphinx = False
html_copy_source = False
html_sidebars = {'**': ['about.html', 'navigation.html', 'searchbox.html']}
master_doc = 'index'
highlight_language = 'lua'
primary_domain = None
nitpicky = True
