ln -s nosuch dangling
