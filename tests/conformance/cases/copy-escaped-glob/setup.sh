echo b > 'a[0].txt'
echo c > 'a0.txt'
