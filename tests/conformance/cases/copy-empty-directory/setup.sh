mkdir -p e/f g
chmod 700 g
