pseudo = input("Pseudo : ")
print("pas fini, voir la page")
